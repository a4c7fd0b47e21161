package dev.sluice.publish;

import dev.sluice.flow.MappingIndex;
import dev.sluice.model.Mapping;
import dev.sluice.network.TargetPorts;

/**
 * Told about mappings under the publisher's lock: implementations must be quick. A mapping is
 * announced right before it takes effect, and withdrawn again if it does not.
 */
public interface MappingListener {
  void published(Mapping mapping);

  void withdrawn(Mapping mapping);

  /** Keeps the indexes of those who follow flows, and answer names, up to date. */
  static MappingListener feeding(MappingIndex index, TargetPorts targets) {
    return new MappingListener() {
      @Override
      public void published(Mapping mapping) {
        index.add(mapping);
        targets.add(mapping);
      }

      @Override
      public void withdrawn(Mapping mapping) {
        index.remove(mapping);
        targets.remove(mapping);
      }
    };
  }

  /** Keeps the index of those who follow flows up to date. */
  static MappingListener feeding(MappingIndex index) {
    return feeding(index, new TargetPorts());
  }
}
