package dev.sluice.route;

import java.util.Optional;

/**
 * What a port of a bridge is to be like.
 *
 * @param alias a text for operators, up to 255 bytes; left as it is if empty
 * @param hairpin whether it sends a frame back out where it came in
 * @param isolated whether frames between it and other isolated ports are dropped
 * @param up whether it is switched on, after all else; left as it is if false
 */
public record PortOptions(Optional<String> alias, boolean hairpin, boolean isolated, boolean up) {

  /** As the kernel makes one: neither hairpin nor isolated; alias and state are left alone. */
  public static final PortOptions DEFAULT = new PortOptions(Optional.empty(), false, false, false);

  public PortOptions withAlias(String text) {
    return new PortOptions(Optional.of(text), hairpin, isolated, up);
  }

  public PortOptions withHairpin(boolean on) {
    return new PortOptions(alias, on, isolated, up);
  }

  public PortOptions withIsolated(boolean on) {
    return new PortOptions(alias, hairpin, on, up);
  }

  public PortOptions withUp() {
    return new PortOptions(alias, hairpin, isolated, true);
  }
}
