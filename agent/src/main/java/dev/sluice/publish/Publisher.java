package dev.sluice.publish;

import dev.sluice.model.DrainTime;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.UpdateRequest;
import java.util.List;
import java.util.Set;

/**
 * Publishes ports and takes them back. Every call is one transaction: it takes effect wholly or not
 * at all, and when it returns new connections follow the new state. Thread-safe.
 *
 * <p>A name or id stands for: the mapping of that id, or of a unique prefix of it of at least 4
 * digits, or all mappings of that name.
 */
public interface Publisher {
  /**
   * Publishes all ports of the request.
   *
   * @return one mapping per port or identity range and target, in the order of the request, with
   *     the host ports that were chosen
   * @throws PublishException if a port is taken, no target is reachable, or the kernel refuses
   */
  List<Mapping> publish(PublishRequest request);

  /**
   * Takes mappings back and ends the connections through them.
   *
   * @return what was published
   * @throws PublishException if nothing has that name or id
   */
  List<Mapping> unpublish(String nameOrId);

  /**
   * Takes mappings back and lets their connections live on; what has no connections, udp, ends at
   * once.
   *
   * @param time how long at most: what is left then is ended, even if the agent is restarted
   *     meanwhile
   * @return what was published
   * @throws PublishException if nothing has that name or id
   */
  List<Mapping> drain(String nameOrId, DrainTime time);

  /**
   * Changes mappings in use.
   *
   * @return the mappings that the name or id and the added ports stand for now
   * @throws PublishException if nothing has that name or id, or as in {@link #publish}
   */
  List<Mapping> update(UpdateRequest request);

  /**
   * Makes what an owner has published by a name just what these requests ask for. What is there and
   * asked for stays; none takes everything back.
   *
   * @param requests of that owner and name, all of them; one whose owner {@linkplain
   *     Owner#holdsItsPorts holds its ports} names the host ports
   * @return what is published by that name now
   * @throws PublishException as in {@link #publish}
   */
  List<Mapping> keep(Owner owner, MappingName name, List<PublishRequest> requests);

  /**
   * Takes back what an owner has published by a name, as {@link #unpublish}.
   *
   * @return what was published, perhaps nothing
   * @throws PublishException if the kernel refuses
   */
  List<Mapping> withdraw(Owner owner, MappingName name);

  /** What an owner has published by a name. */
  List<Mapping> publishedBy(Owner owner, MappingName name);

  /** The names by which an owner has published something. */
  Set<MappingName> namesOf(Owner owner);

  /**
   * Makes the mappings of one owner what these requests ask for: publishes what is missing, takes
   * back what is not asked for, and leaves alone what is there already.
   *
   * @param owner whose mappings; those of others are not touched
   * @param requests of that owner, all of them
   * @throws PublishException as in {@link #publish}
   */
  Applied apply(Owner owner, List<PublishRequest> requests);

  /**
   * As {@link #apply}, except that what cannot be published now is left out; all else is still one
   * transaction.
   *
   * @throws PublishException if that transaction is refused
   */
  Applied applyPossible(Owner owner, List<PublishRequest> requests);

  /**
   * What {@link #apply} would do; nothing is changed. Ports that it would choose may be others when
   * it does.
   *
   * @throws PublishException as in {@link #apply}, except what only the kernel's answer tells
   */
  Applied rehearse(Owner owner, List<PublishRequest> requests);

  /**
   * What {@link #apply} did.
   *
   * @param published new or changed
   * @param withdrawn no longer asked for
   * @param unchanged there already
   * @param leftOut what could not be published, one for each port specification
   */
  record Applied(
      List<Mapping> published,
      List<Mapping> withdrawn,
      List<Mapping> unchanged,
      List<LeftOut> leftOut) {
    public Applied {
      published = List.copyOf(published);
      withdrawn = List.copyOf(withdrawn);
      unchanged = List.copyOf(unchanged);
      leftOut = List.copyOf(leftOut);
    }
  }

  /**
   * What could not be published.
   *
   * @param request asks for just that
   * @param reason why not
   */
  record LeftOut(PublishRequest request, PublishException reason) {}

  /**
   * Everything published, read from the kernel, in the order of host port, address and protocol.
   */
  List<PublishedMapping> published();

  /**
   * The mappings that {@code nameOrId} stands for.
   *
   * @throws PublishException if there are none
   */
  List<PublishedMapping> find(String nameOrId);
}
