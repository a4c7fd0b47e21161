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

  /** As {@link #published}, of a mapping that was in force before the agent started. */
  default void resumed(Mapping mapping) {
    published(mapping);
  }

  /** As {@link #withdrawn}, but its connections live on. */
  default void retired(Mapping mapping) {
    withdrawn(mapping);
  }

  /** Connections of the mapping from before are to end; it may be retired already. */
  default void cut(Mapping mapping) {}

  /** Something that was in the way may be gone; now and then. */
  default void lookAgain() {}

  /**
   * Whether connections to {@code ::1} are to be accepted for mappings that are told from now on.
   *
   * @return whether that is done
   */
  default boolean acceptLoopback(boolean wanted) {
    return false;
  }

  /** Tells the other what this one is told, after this one. */
  default MappingListener and(MappingListener other) {
    MappingListener first = this;
    return new MappingListener() {
      @Override
      public void published(Mapping mapping) {
        first.published(mapping);
        other.published(mapping);
      }

      @Override
      public void withdrawn(Mapping mapping) {
        first.withdrawn(mapping);
        other.withdrawn(mapping);
      }

      @Override
      public void resumed(Mapping mapping) {
        first.resumed(mapping);
        other.resumed(mapping);
      }

      @Override
      public void retired(Mapping mapping) {
        first.retired(mapping);
        other.retired(mapping);
      }

      @Override
      public void cut(Mapping mapping) {
        first.cut(mapping);
        other.cut(mapping);
      }

      @Override
      public void lookAgain() {
        first.lookAgain();
        other.lookAgain();
      }

      @Override
      public boolean acceptLoopback(boolean wanted) {
        boolean byFirst = first.acceptLoopback(wanted);
        return other.acceptLoopback(wanted) || byFirst;
      }
    };
  }

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
