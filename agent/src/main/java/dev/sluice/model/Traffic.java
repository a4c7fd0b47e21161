package dev.sluice.model;

/**
 * What connections have carried.
 *
 * @param in from the clients to the container
 * @param out from the container to the clients
 */
public record Traffic(FlowCounters in, FlowCounters out) {
  /** Nothing. */
  public static final Traffic NONE = new Traffic(new FlowCounters(0, 0), new FlowCounters(0, 0));

  /** Both together. */
  public Traffic plus(Traffic other) {
    return new Traffic(in.plus(other.in), out.plus(other.out));
  }
}
