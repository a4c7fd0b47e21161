package dev.sluice.ruleset;

import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.StringJoiner;

/**
 * The settings of a network as a line of text, such as {@code made=cli,1795284000000 mtu=1500
 * gw=10.1.0.1 gw=fd00::1 pool=10.1.0.128/25 internal isolated}. Words that are not known are those
 * of a newer agent, and left out.
 */
final class SettingsText {
  private static final String INTERNAL = "internal";
  private static final String ISOLATED = "isolated";

  private SettingsText() {}

  static String write(NetworkSettings settings) {
    StringJoiner words = new StringJoiner(" ");
    settings
        .made()
        .ifPresent(made -> words.add("made=" + made.by() + "," + made.at().toEpochMilli()));
    settings.mtuBytes().ifPresent(bytes -> words.add("mtu=" + bytes));
    settings.gateways().forEach(gateway -> words.add("gw=" + gateway));
    settings.pools().forEach(pool -> words.add("pool=" + pool));
    if (settings.internal()) {
      words.add(INTERNAL);
    }
    if (settings.isolated()) {
      words.add(ISOLATED);
    }
    return words.toString();
  }

  /** Reads it back; where the table has no owner, anybody may have written anything. */
  static NetworkSettings read(String text) {
    boolean internal = false;
    boolean isolated = false;
    List<IpAddress> gateways = new ArrayList<>();
    List<Prefix> pools = new ArrayList<>();
    OptionalInt mtuBytes = OptionalInt.empty();
    Optional<NetworkSettings.Made> made = Optional.empty();
    for (String word : text.split(" ", -1)) {
      String value = word.substring(word.indexOf('=') + 1);
      try {
        if (word.equals(INTERNAL)) {
          internal = true;
        } else if (word.equals(ISOLATED)) {
          isolated = true;
        } else if (word.startsWith("gw=")) {
          gateways.add(IpAddress.parse(value));
        } else if (word.startsWith("pool=")) {
          pools.add(Prefix.parse(value));
        } else if (word.startsWith("mtu=")) {
          mtuBytes = OptionalInt.of(Integer.parseInt(value));
        } else if (word.startsWith("made=")) {
          made = Optional.of(made(value));
        }
      } catch (MalformedValueException | NumberFormatException e) {
        return NetworkSettings.NONE;
      }
    }
    return new NetworkSettings(internal, isolated, gateways, pools, mtuBytes, made);
  }

  private static NetworkSettings.Made made(String text) {
    int comma = text.indexOf(',');
    return new NetworkSettings.Made(
        Owner.parse(text.substring(0, Math.max(0, comma))),
        Instant.ofEpochMilli(Long.parseLong(text.substring(comma + 1))));
  }
}
