package dev.sluice.api;

import dev.sluice.model.Destination;
import dev.sluice.model.SandboxName;
import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import tools.jackson.core.JsonGenerator;

/** The members {@code target} and {@code targets}, one of which says where ports are to lead. */
final class TargetJson {
  /** One address of each family. */
  private static final int MAX_TARGETS = 2;

  private Destination destination = Destination.NONE;
  private boolean one;
  private boolean several;

  static void write(JsonGenerator json, List<IpAddress> addresses, Optional<SandboxName> sandbox) {
    write(
        json,
        sandbox
            .map(name -> List.of(name.text()))
            .orElseGet(() -> addresses.stream().map(IpAddress::toString).toList()));
  }

  /** Writes targets that nobody has read yet. */
  static void write(JsonGenerator json, List<String> targets) {
    if (targets.size() == 1) {
      json.writeStringProperty("target", targets.get(0));
    } else {
      SandboxJson.writeTexts(json, "targets", targets);
    }
  }

  /**
   * Reads one of the two members.
   *
   * @throws ProblemException if the other was there before
   */
  void read(JsonBody json, String member) {
    if (member.equals("target")) {
      one = true;
      destination = Destination.parse(List.of(json.string(member)));
    } else {
      several = true;
      destination =
          Destination.parse(
              json.array(member, "[\"172.30.0.2\",\"fd00::2\"]", MAX_TARGETS, Function.identity()));
    }
    if (one && several) {
      throw JsonBody.malformed(
          "\"target\" and \"targets\" are two ways to say it; give one of them");
    }
  }

  /** What they say; nothing if neither was there. */
  Destination destination() {
    return destination;
  }
}
