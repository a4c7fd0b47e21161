package dev.sluice.bench.agent;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.sluice.model.HostBinding;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.network.HostNetworks;
import dev.sluice.publish.PortReservations;
import dev.sluice.publish.TablePublisher;
import dev.sluice.ruleset.Change;
import dev.sluice.ruleset.SluiceTable;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * The inside of an agent in the namespace of this process. It answers commands on standard input,
 * one line for each, so that the benchmark can alternate with others:
 *
 * <pre>
 *  fill COUNT             until COUNT mappings are published that stay    ok
 *  publish SAMPLES        one mapping a request                           MEDIAN P99, in ns
 *  first SAMPLES          the same, each to a target of its own           the same
 *  route SAMPLES          of that: is the target the host's own address?  the same
 *  reserve SAMPLES        of that: the host port's socket                 the same
 *  apply SAMPLES          of that: the transaction                        the same
 *  bulk COUNT SAMPLES     COUNT mappings in one request                   the same
 *  load COUNT             COUNT mappings that stay, in one request        ns
 *  clear 0                nothing that stays is published any more        ok
 * </pre>
 *
 * <p>Ends with its input.
 */
final class PublishProbe {
  /** What stays has ports from 1; the sampled mappings have these, 100 at a time. */
  private static final int SAMPLE_PORT = 61_000;

  private static final int GROUP = 100;
  private static final int FILL_REQUEST = 10_000;
  private static final Optional<MappingName> STAYS = Optional.of(new MappingName("stays"));
  private static final Optional<MappingName> SAMPLED = Optional.of(new MappingName("sampled"));
  private static final IpAddress TARGET = IpAddress.parse(BenchNamespace.TARGET);

  private final WiredAgent agent = new WiredAgent();
  private final SluiceTable table = agent.table();
  private final HostNetworks hostNetworks = agent.hostNetworks();
  private final PortReservations reservations = agent.reservations();
  private final TablePublisher publisher = agent.publisher();
  private int filled;

  private PublishProbe() {
    publisher.resume();
  }

  public static void main(String[] arguments) throws IOException {
    PublishProbe probe = new PublishProbe();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, US_ASCII));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      System.out.println(probe.answer(line.split(" ", -1)));
    }
  }

  private String answer(String... words) {
    int count = Integer.parseInt(words[1]);
    return switch (words[0]) {
      case "fill" -> fill(count);
      case "publish" -> sample(count, this::publishOne, this::withdrawSampled).toString();
      case "first" -> sample(count, this::publishFirst, this::withdrawSampled).toString();
      case "route" -> sample(count, port -> hostNetworks.isLocal(TARGET), () -> {}).toString();
      case "reserve" ->
          sample(count, port -> reservations.reserve(binding(port)), this::releaseSampled)
              .toString();
      case "apply" -> sample(count, this::applyOne, this::withdrawSampledFromTable).toString();
      case "bulk" -> bulk(count, Integer.parseInt(words[2])).toString();
      case "load" -> Long.toString(load(count));
      case "clear" -> clear();
      default -> throw new IllegalArgumentException("no such command: " + words[0]);
    };
  }

  private String fill(int count) {
    while (filled < count) {
      int next = Math.min(count, filled + FILL_REQUEST);
      publisher.publish(request(filled + 1, next, TARGET, STAYS));
      filled = next;
    }
    return "ok";
  }

  private long load(int count) {
    PublishRequest request = request(1, count, TARGET, STAYS);
    long start = System.nanoTime();
    publisher.publish(request);
    filled = count;
    return System.nanoTime() - start;
  }

  private String clear() {
    if (filled > 0) {
      publisher.unpublish(STAYS.orElseThrow().text());
      filled = 0;
    }
    return "ok";
  }

  /** Times {@code one} port by port; {@code undo} runs untimed after every hundred. */
  private static Spread sample(int samples, IntConsumer one, Runnable undo) {
    long[] nanos = new long[samples];
    for (int i = 0; i < samples; i++) {
      int port = SAMPLE_PORT + i % GROUP;
      long start = System.nanoTime();
      one.accept(port);
      nanos[i] = System.nanoTime() - start;
      if ((i + 1) % GROUP == 0 || i + 1 == samples) {
        undo.run();
      }
    }
    return Spread.of(nanos);
  }

  /** A request is what a caller brings along, but a small part of it: it is timed, too. */
  private void publishOne(int port) {
    publisher.publish(request(port, port, TARGET, SAMPLED));
  }

  /** To 172.30.0.3 and so on, which have nothing published until then. */
  private void publishFirst(int port) {
    IpAddress target = IpAddress.parse("172.30.0." + (3 + port - SAMPLE_PORT));
    publisher.publish(request(port, port, target, SAMPLED));
  }

  private void withdrawSampled() {
    publisher.unpublish(SAMPLED.orElseThrow().text());
  }

  private void releaseSampled() {
    IntStream.range(SAMPLE_PORT, SAMPLE_PORT + GROUP)
        .forEach(port -> reservations.release(binding(port)));
  }

  private void applyOne(int port) {
    table.apply(Change.publish(List.of(), List.of(mapping(port))));
  }

  private void withdrawSampledFromTable() {
    table.apply(
        Change.withdraw(
            IntStream.range(SAMPLE_PORT, SAMPLE_PORT + GROUP)
                .mapToObj(PublishProbe::mapping)
                .toList()));
  }

  private Spread bulk(int count, int samples) {
    PublishRequest request = request(1, count, TARGET, SAMPLED);
    long[] nanos = new long[samples];
    for (int i = 0; i < samples; i++) {
      long start = System.nanoTime();
      publisher.publish(request);
      nanos[i] = System.nanoTime() - start;
      withdrawSampled();
    }
    return Spread.of(nanos);
  }

  private static PublishRequest request(
      int first, int last, IpAddress target, Optional<MappingName> name) {
    List<PortSpec> ports =
        IntStream.rangeClosed(first, last).mapToObj(PublishProbe::toPort80).toList();
    return new PublishRequest(ports, target, name, Owner.API);
  }

  private static PortSpec toPort80(int hostPort) {
    return new PortSpec(
        Optional.empty(),
        new PortSpec.Exactly(PortRange.of(hostPort)),
        PortRange.of(80),
        Protocol.TCP);
  }

  private static HostBinding binding(int port) {
    return new HostBinding(Protocol.TCP, Family.IPV4, Optional.empty(), PortRange.of(port));
  }

  private static Mapping mapping(int port) {
    return new Mapping(
        MappingId.random(),
        SAMPLED,
        Owner.API,
        Protocol.TCP,
        Optional.empty(),
        PortRange.of(port),
        TARGET,
        PortRange.of(80),
        Instant.now().truncatedTo(ChronoUnit.MILLIS));
  }
}
