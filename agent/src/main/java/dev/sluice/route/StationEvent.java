package dev.sluice.route;

/** What {@link StationMonitor} saw happen in a network namespace. */
public sealed interface StationEvent {
  /** What has become of a link. */
  record OfLink(LinkEvent event) implements StationEvent {}

  /** A neighbour is new, or something about it has changed. */
  record NeighbourChanged(Neighbour neighbour) implements StationEvent {}

  /** A neighbour was forgotten. */
  record NeighbourDeleted(Neighbour neighbour) implements StationEvent {}

  /** A station has spoken behind a port of a bridge, for the first time or behind another one. */
  record Seen(ForwardingEntry entry) implements StationEvent {}

  /**
   * A queueing discipline or a filter of a link has come, has changed or has gone.
   *
   * @param linkIndex {@link #SHARED} for a filter of a block that several links may share
   */
  record TrafficControl(int linkIndex) implements StationEvent {
    /** linux/rtnetlink.h: TCM_IFINDEX_MAGIC_BLOCK. */
    public static final int SHARED = LinuxRtnetlink.TCM_IFINDEX_MAGIC_BLOCK;
  }

  /** A station has not spoken for long, or its port has gone. */
  record Forgotten(ForwardingEntry entry) implements StationEvent {}
}
