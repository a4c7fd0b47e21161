package dev.sluice.network.names;

import dev.sluice.net.IpAddress;
import java.util.Optional;

/**
 * What a {@link Responder} answers from.
 *
 * <p>It is asked once for each query, on the responder's only thread: it must not block. What it
 * answers is not kept.
 */
@FunctionalInterface
public interface NameSource {

  /**
   * What whoever asks from this address sees. Empty: it is no container of ours, or cannot ask
   * there, and its queries are dropped without an answer.
   *
   * @param gateway where it asks: an address of another network's container is not its own
   */
  Optional<View> viewOf(IpAddress source, IpAddress gateway);
}
