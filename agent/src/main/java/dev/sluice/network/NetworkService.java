package dev.sluice.network;

import dev.sluice.model.ExposeSpec;
import dev.sluice.model.Joined;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Wire;
import dev.sluice.model.WireRequest;
import java.util.List;
import java.util.Optional;

/**
 * Networks and the sandboxes on them, for those who ask. A request takes effect wholly or not at
 * all. Thread-safe.
 */
public interface NetworkService {

  /** What there is. */
  Topology topology();

  /**
   * Makes a network: a bridge with the gateways' addresses.
   *
   * @throws NetworkException if the name, the interface or a subnet is taken
   */
  Network create(NetworkRequest request);

  /**
   * Removes a network that nobody is on.
   *
   * @throws NetworkException if there is none of this name, or somebody is on it
   */
  Network remove(String name);

  /**
   * Lets a namespace join networks, and publishes ports of it.
   *
   * @throws NetworkException if something it names is not there or taken
   */
  Joined create(SandboxRequest request);

  /**
   * Connects a sandbox to one more network.
   *
   * @param namespacePath where the sandbox is; needed if it is not known yet, or has moved
   * @throws NetworkException as in {@link #create(SandboxRequest)}
   */
  Sandbox connect(
      SandboxName name, Attachment attachment, Optional<String> namespacePath, Owner owner);

  /**
   * Makes a place on a network for a sandbox that somebody else makes. Asked again for what is
   * there, it answers with that.
   *
   * @throws NetworkException as in {@link #create(SandboxRequest)}
   */
  Wire wire(WireRequest request);

  /**
   * Takes a sandbox from a network. Ports that were published by its name move to another address
   * it has, or are taken back.
   *
   * @throws NetworkException if it is not there
   */
  Sandbox disconnect(SandboxName name, String network);

  /**
   * Changes what links to a sandbox open, and where its own lead.
   *
   * @throws NetworkException if it is not there, or one that it is to be linked to
   */
  Sandbox relink(SandboxName name, List<ExposeSpec> exposed, List<SandboxLink> links);

  /**
   * The sandbox whose network namespace a file stands for.
   *
   * @throws NetworkException if the file stands for none, or for the host's own
   */
  Optional<Sandbox> at(String namespacePath);

  /**
   * Takes a sandbox from all its networks, and back what was published by its name.
   *
   * @return what it was
   * @throws NetworkException if there is no such sandbox
   */
  Sandbox remove(SandboxName name);
}
