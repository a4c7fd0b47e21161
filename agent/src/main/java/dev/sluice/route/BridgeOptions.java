package dev.sluice.route;

import dev.sluice.net.MacAddress;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a new bridge is like, beside its name.
 *
 * @param mtuBytes its MTU; the kernel's default (1500, then the smallest of its ports) if empty
 * @param mac its hardware address; if empty the kernel makes one up, and changes it as ports come
 *     and go
 * @param alias a text for operators, up to 255 bytes
 */
public record BridgeOptions(
    OptionalInt mtuBytes, Optional<MacAddress> mac, Optional<String> alias) {

  /** All left to the kernel. */
  public static final BridgeOptions DEFAULT =
      new BridgeOptions(OptionalInt.empty(), Optional.empty(), Optional.empty());

  public BridgeOptions withMtu(int bytes) {
    return new BridgeOptions(OptionalInt.of(bytes), mac, alias);
  }

  public BridgeOptions withMac(MacAddress address) {
    return new BridgeOptions(mtuBytes, Optional.of(address), alias);
  }

  public BridgeOptions withAlias(String text) {
    return new BridgeOptions(mtuBytes, mac, Optional.of(text));
  }
}
