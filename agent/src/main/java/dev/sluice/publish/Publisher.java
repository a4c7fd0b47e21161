package dev.sluice.publish;

import dev.sluice.model.Mapping;
import dev.sluice.model.PublishedMapping;
import java.util.List;

/**
 * Publishes ports and takes them back. Every call is one transaction: it takes effect wholly or not
 * at all, and when it returns new connections follow the new state. Thread-safe.
 */
public interface Publisher {
  /**
   * Publishes all ports of the request.
   *
   * @return one mapping per port or identity range, in the order of the request, with the host
   *     ports that were chosen
   * @throws PublishException if a port is taken, no target is reachable, or the kernel refuses
   */
  List<Mapping> publish(PublishRequest request);

  /**
   * Takes mappings back and ends the connections through them.
   *
   * @param nameOrId a mapping's id, a unique prefix of it of at least 4 digits, or a name: then all
   *     mappings of that name
   * @return what was published
   * @throws PublishException if nothing has that name or id
   */
  List<Mapping> unpublish(String nameOrId);

  /**
   * Everything published, read from the kernel, in the order of host port, address and protocol.
   */
  List<PublishedMapping> published();

  /**
   * The mappings that {@code nameOrId} stands for, as in {@link #unpublish}.
   *
   * @throws PublishException if there are none
   */
  List<PublishedMapping> find(String nameOrId);
}
