package dev.sluice.publish;

import dev.sluice.flow.MappingIndex;
import dev.sluice.model.Mapping;

/**
 * Told about mappings under the publisher's lock: implementations must be quick. A mapping is
 * announced right before it takes effect, and withdrawn again if it does not.
 */
public interface MappingListener {
  void published(Mapping mapping);

  void withdrawn(Mapping mapping);

  /** Keeps the index of those who follow flows up to date. */
  static MappingListener feeding(MappingIndex index) {
    return new MappingListener() {
      @Override
      public void published(Mapping mapping) {
        index.add(mapping);
      }

      @Override
      public void withdrawn(Mapping mapping) {
        index.remove(mapping);
      }
    };
  }
}
