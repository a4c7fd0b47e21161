package dev.sluice.publish;

import dev.sluice.model.Mapping;

/**
 * Told about mappings under the publisher's lock: implementations must be quick. A mapping is
 * announced right before it takes effect, and withdrawn again if it does not.
 */
public interface MappingListener {
  void published(Mapping mapping);

  void withdrawn(Mapping mapping);
}
