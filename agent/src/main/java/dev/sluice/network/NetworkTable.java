package dev.sluice.network;

import dev.sluice.model.Mapping;
import dev.sluice.model.NamesAt;
import dev.sluice.model.Network;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.SandboxChange;
import java.util.List;
import java.util.Set;

/**
 * Where networks and sandboxes are kept, together with the published ports that depend on them.
 * Every call is one transaction: all of it takes effect, or nothing; {@link Topology} follows.
 */
public interface NetworkTable {

  /**
   * Adds a network, and sets the host up for it.
   *
   * @param names where its names are answered
   */
  void attach(Network network, Set<NamesAt> names);

  /**
   * Takes a network out.
   *
   * @param names where its names were answered
   * @throws RuntimeException if ports are published to addresses on it
   */
  void detach(Network network, Set<NamesAt> names);

  /** Where names are answered. */
  Set<NamesAt> names();

  /** Reads the networks and sandboxes again, after a change of which nobody knows what became. */
  void reload();

  /** Leads questions for names elsewhere. */
  void answerNames(Set<NamesAt> noLonger, Set<NamesAt> now);

  /** Follows a bridge that has got another name. */
  void rename(Network before, Network now);

  /**
   * Notes what becomes of a sandbox. Ports that were published by its name and whose target is none
   * of its addresses any more move to another of its addresses, or are taken back.
   *
   * @param publish ports of that sandbox to publish along with it
   * @return what was published
   */
  List<Mapping> change(SandboxChange change, List<PublishRequest> publish);
}
