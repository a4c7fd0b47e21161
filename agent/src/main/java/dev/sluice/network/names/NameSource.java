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
   * What whoever asks from this address sees. Empty: it is no container of ours, and its queries
   * are dropped without an answer.
   */
  Optional<View> viewOf(IpAddress source);
}
