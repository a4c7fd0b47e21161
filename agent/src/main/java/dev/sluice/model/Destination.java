package dev.sluice.model;

import dev.sluice.net.IpAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Where ports are to lead, as people write it: to the addresses of a container, or to a sandbox
 * wherever it is.
 *
 * @param addresses at most one of each family; none where a sandbox is named
 * @param sandbox the sandbox
 */
public record Destination(List<IpAddress> addresses, Optional<SandboxName> sandbox) {
  /** Nothing was said. */
  public static final Destination NONE = new Destination(List.of(), Optional.empty());

  public Destination {
    addresses = Targets.check(addresses);
  }

  /**
   * Reads addresses, or one name. What is written like an address is one or a mistake, and never a
   * name: {@code 10.0.0.300} is no sandbox that is missing.
   *
   * @throws dev.sluice.net.MalformedValueException if a text is neither
   * @throws InvalidMappingException if there are two addresses of a family, or a name and more
   */
  public static Destination parse(List<String> texts) {
    List<IpAddress> addresses = new ArrayList<>();
    List<SandboxName> sandboxes = new ArrayList<>();
    for (String text : texts) {
      if (isWrittenLikeAnAddress(text)) {
        addresses.add(IpAddress.parse(text));
      } else {
        sandboxes.add(new SandboxName(text));
      }
    }
    if (sandboxes.size() > 1 || (!sandboxes.isEmpty() && !addresses.isEmpty())) {
      throw new InvalidMappingException(
          "ports lead either to addresses or to one sandbox: give "
              + sandboxes.get(0)
              + " alone, or addresses alone");
    }
    return new Destination(addresses, sandboxes.stream().findFirst());
  }

  private static boolean isWrittenLikeAnAddress(String text) {
    return text.indexOf(':') >= 0
        || text.chars().allMatch(c -> (c >= '0' && c <= '9') || c == '.' || c == '/');
  }

  /** Whether nothing was said. */
  public boolean isNone() {
    return addresses.isEmpty() && sandbox.isEmpty();
  }
}
