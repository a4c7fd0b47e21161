package dev.sluice.api;

import dev.sluice.model.Declaration;
import dev.sluice.model.DeclaredChange;
import dev.sluice.model.Mapping;
import java.util.List;

/** What is there permanently, as a whole. */
public interface Declarations {
  /**
   * Makes the networks, sandboxes and ports of the file's owner what this declaration asks for: all
   * of it or nothing.
   *
   * @param prune whether networks and sandboxes that an earlier declaration made and this one does
   *     not have are removed; ports are taken back in any case
   * @throws dev.sluice.publish.PublishException if a port is taken, a target or a bridge is not
   *     there, or the kernel refuses
   * @throws dev.sluice.network.NetworkException if a network or a sandbox cannot be made or changed
   */
  Outcome apply(Declaration declaration, boolean prune);

  /**
   * What {@link #apply} would do; changes nothing.
   *
   * @throws RuntimeException as {@link #apply}, as far as the reason is there before anything is
   *     changed
   */
  Outcome compare(Declaration declaration, boolean prune);

  /**
   * What applying did, or would do.
   *
   * @param changes all that was different, in the order in which it is dealt with
   * @param published ports that are new or have other options; none if nothing was done
   * @param withdrawn ports that are no longer asked for; none if nothing was done
   * @param unchanged how many networks, sandboxes and ports were there already
   */
  record Outcome(
      List<DeclaredChange> changes,
      List<Mapping> published,
      List<Mapping> withdrawn,
      int unchanged) {
    public Outcome {
      changes = List.copyOf(changes);
      published = List.copyOf(published);
      withdrawn = List.copyOf(withdrawn);
    }
  }
}
