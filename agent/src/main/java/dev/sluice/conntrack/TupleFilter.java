package dev.sluice.conntrack;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a tuple must have to be selected; what is empty may be anything.
 *
 * @param source the source address
 * @param destination the destination address
 * @param protocol the IP protocol number, 0 to 255
 * @param sourcePort the source port, 0 to 65535; a protocol without ports does not match
 * @param destinationPort as sourcePort
 */
public record TupleFilter(
    Optional<IpAddress> source,
    Optional<IpAddress> destination,
    OptionalInt protocol,
    OptionalInt sourcePort,
    OptionalInt destinationPort) {

  /** Every tuple. */
  public static final TupleFilter ANY =
      new TupleFilter(
          Optional.empty(),
          Optional.empty(),
          OptionalInt.empty(),
          OptionalInt.empty(),
          OptionalInt.empty());

  /**
   * Checks that a tuple can satisfy it.
   *
   * @throws IllegalArgumentException if the addresses are of different families or a number is out
   *     of range
   */
  public TupleFilter {
    if (source.isPresent()
        && destination.isPresent()
        && source.get().family() != destination.get().family()) {
      throw new IllegalArgumentException(
          "a tuple is of one family: source="
              + source.get()
              + ", destination="
              + destination.get());
    }
    checkRange("protocol", protocol, 0xff);
    checkRange("sourcePort", sourcePort, 0xffff);
    checkRange("destinationPort", destinationPort, 0xffff);
  }

  public TupleFilter source(IpAddress address) {
    return new TupleFilter(
        Optional.of(address), destination, protocol, sourcePort, destinationPort);
  }

  public TupleFilter destination(IpAddress address) {
    return new TupleFilter(source, Optional.of(address), protocol, sourcePort, destinationPort);
  }

  public TupleFilter protocol(int number) {
    return new TupleFilter(
        source, destination, OptionalInt.of(number), sourcePort, destinationPort);
  }

  public TupleFilter sourcePort(int port) {
    return new TupleFilter(source, destination, protocol, OptionalInt.of(port), destinationPort);
  }

  public TupleFilter destinationPort(int port) {
    return new TupleFilter(source, destination, protocol, sourcePort, OptionalInt.of(port));
  }

  /** Whether the tuple has all that is asked for. */
  public boolean matches(Tuple tuple) {
    return (source.isEmpty() || source.get().equals(tuple.source()))
        && (destination.isEmpty() || destination.get().equals(tuple.destination()))
        && (protocol.isEmpty() || protocol.getAsInt() == tuple.protocol())
        && (sourcePort.isEmpty() || sourcePort.equals(tuple.sourcePort()))
        && (destinationPort.isEmpty() || destinationPort.equals(tuple.destinationPort()));
  }

  /** The family of the addresses, empty if there is none. */
  Optional<Family> family() {
    return source.or(() -> destination).map(IpAddress::family);
  }

  private static void checkRange(String what, OptionalInt value, int max) {
    if (value.isPresent() && (value.getAsInt() < 0 || value.getAsInt() > max)) {
      throw new IllegalArgumentException(what + " " + value.getAsInt() + " is not in 0–" + max);
    }
  }
}
