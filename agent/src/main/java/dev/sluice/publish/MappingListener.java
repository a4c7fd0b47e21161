package dev.sluice.publish;

import dev.sluice.model.Mapping;

/**
 * Told about mappings after they took effect, under the publisher's lock: implementations must be
 * quick.
 */
public interface MappingListener {
  void published(Mapping mapping);

  void withdrawn(Mapping mapping);
}
