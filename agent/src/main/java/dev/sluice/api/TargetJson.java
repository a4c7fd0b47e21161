package dev.sluice.api;

import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.Destination;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import tools.jackson.core.JsonGenerator;

/**
 * The members {@code target} and {@code targets}, one of which says where ports are to lead, and
 * {@code balance}, which says how connections are shared out where that is several containers.
 */
final class TargetJson {
  /** Each container may have an address of each family. */
  private static final int MAX_TARGETS = 2 * Backends.MAX;

  private Destination destination = Destination.NONE;
  private boolean one;
  private boolean several;

  static void write(JsonGenerator json, Destination to) {
    write(json, to.all().stream().map(Destination.Aim::text).toList());
    to.balance().ifPresent(how -> json.writeStringProperty("balance", how.toString()));
  }

  /** Writes targets that nobody has read yet. */
  static void write(JsonGenerator json, List<String> targets) {
    if (targets.size() == 1) {
      json.writeStringProperty("target", targets.get(0));
    } else if (!targets.isEmpty()) {
      SandboxJson.writeTexts(json, "targets", targets);
    }
  }

  /**
   * Reads one of the members.
   *
   * @throws ProblemException if {@code target} and {@code targets} are both there
   */
  void read(JsonBody json, String member) {
    if (member.equals("balance")) {
      destination = destination.with(Optional.of(Balance.parse(json.string(member))));
      return;
    }
    Optional<Balance> balance = destination.balance();
    if (member.equals("target")) {
      one = true;
      destination = Destination.parse(List.of(json.string(member))).with(balance);
    } else {
      several = true;
      destination = array(json, member).with(balance);
    }
    if (one && several) {
      throw JsonBody.malformed(
          "\"target\" and \"targets\" are two ways to say it; give one of them");
    }
  }

  /** Reads a list of containers. */
  static Destination array(JsonBody json, String member) {
    return Destination.parse(
        json.array(member, "[\"172.30.0.2\",\"172.30.0.3\"]", MAX_TARGETS, Function.identity()));
  }

  /** What they say; nothing if none was there. */
  Destination destination() {
    return destination;
  }
}
