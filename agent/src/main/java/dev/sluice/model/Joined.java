package dev.sluice.model;

import java.util.List;

/**
 * What became of a request about a sandbox.
 *
 * @param sandbox as it is now
 * @param published what was published along with it
 */
public record Joined(Sandbox sandbox, List<Mapping> published) {
  public Joined {
    published = List.copyOf(published);
  }
}
