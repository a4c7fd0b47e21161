package dev.sluice.api;

import dev.sluice.model.Declaration;
import dev.sluice.model.Mapping;
import java.util.List;

/** What is published permanently, as a whole. */
public interface Declarations {
  /**
   * Makes the mappings of the file's owner what this declaration asks for: all of it or nothing.
   *
   * @throws dev.sluice.publish.PublishException if a port is taken, a target or a network is not
   *     there, or the kernel refuses
   */
  Outcome apply(Declaration declaration);

  /**
   * What applying did.
   *
   * @param published new, or with other options
   * @param withdrawn no longer asked for
   * @param unchanged how many were there already
   */
  record Outcome(List<Mapping> published, List<Mapping> withdrawn, int unchanged) {
    public Outcome {
      published = List.copyOf(published);
      withdrawn = List.copyOf(withdrawn);
    }
  }
}
