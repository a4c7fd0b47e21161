package dev.sluice.flow;

import static dev.sluice.flow.Mappings.mapping;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.ConntrackEntry;
import dev.sluice.conntrack.Counters;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.PlayedEvents;
import dev.sluice.conntrack.Tuple;
import dev.sluice.fastpath.OffloadRecords;
import dev.sluice.fastpath.PlayedPrograms;
import dev.sluice.fastpath.PlayedPrograms.Direction;
import dev.sluice.flow.export.FlowJson;
import dev.sluice.model.Carried;
import dev.sluice.model.Flow;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowEvent;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.Traffic;
import dev.sluice.net.IpAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the fast path carries, against a ledger of every packet. */
class CarriedFlowsTest {
  private static final int TCP = 6;
  private static final int UDP = 17;

  /** IPS_DST_NAT, confirmed, both translations decided, seen both ways, assured. */
  private static final int CARRIABLE = 0x1a8 | 0x6;

  private static final int SRC_NAT = 0x10;
  private static final IpAddress CLIENT = IpAddress.parse("198.18.0.2");
  private static final IpAddress HOST = IpAddress.parse("198.18.0.1");
  private static final IpAddress TARGET = IpAddress.parse("172.30.0.2");
  private static final IpAddress CLIENT6 = IpAddress.parse("2001:db8:18::2");
  private static final IpAddress HOST6 = IpAddress.parse("2001:db8:18::1");
  private static final IpAddress TARGET6 = IpAddress.parse("fd30::2");

  private final Mapping web = mapping("web", "8080:80", "172.30.0.2");
  private final Mapping web6 = mapping("web6", "8080:80", "fd30::2");
  private final Mapping dns = mapping("dns", "198.18.0.1:5300-5309:5300-5309/udp", "172.30.0.2");

  /** A flow, as connection tracking knows it, and the truth about it. */
  private static final class Known {
    final long id;
    final Optional<MappingId> mapping;
    final int protocol;
    final int status;
    final Direction original;
    final Direction reply;
    PlayedPrograms.Entry[] entries = new PlayedPrograms.Entry[2];
    final long[] counted = new long[4];
    final long[] truth = new long[4];
    boolean isOver;

    /** Something was taken of it before the agent was started anew. */
    boolean isForgotten;

    Known(
        long id,
        Optional<MappingId> mapping,
        int protocol,
        int status,
        Direction original,
        Direction reply) {
      this.id = id;
      this.mapping = mapping;
      this.protocol = protocol;
      this.status = status;
      this.original = original;
      this.reply = reply;
    }

    void slow(int way, long packets, long bytes) {
      counted[2 * way] += packets;
      counted[2 * way + 1] += bytes;
      truth[2 * way] += packets;
      truth[2 * way + 1] += bytes;
    }

    boolean fast(int way, long packets, long bytes) {
      PlayedPrograms.Entry entry = entries[way];
      if (entry == null || entry.ended) {
        return false;
      }
      entry.carry(packets, bytes);
      truth[2 * way] += packets;
      truth[2 * way + 1] += bytes;
      return true;
    }

    Direction direction(int way) {
      return way == 0 ? original : reply;
    }

    Direction becomes(int way) {
      return direction(1 - way).reversed();
    }

    ConntrackEntry entry() {
      return new ConntrackEntry(
          id,
          tuple(original),
          tuple(reply),
          status,
          0,
          0,
          0,
          OptionalLong.empty(),
          OptionalInt.empty(),
          Optional.of(new Counters(counted[0], counted[1])),
          Optional.of(new Counters(counted[2], counted[3])),
          OptionalLong.empty(),
          OptionalLong.empty(),
          Optional.empty());
    }

    private static Tuple tuple(Direction one) {
      return Tuple.of(
          one.protocol(), one.source(), one.sourcePort(), one.destination(), one.destinationPort());
    }

    FlowRecord event(Kind kind) {
      return PlayedEvents.record(
          played -> {
            PlayedEvents.Event event =
                played
                    .event(kind, protocol)
                    .at(EventLog.nowNanos())
                    .id(id)
                    .addresses(
                        original.source().toString(),
                        original.destination().toString(),
                        reply.source().toString(),
                        reply.destination().toString())
                    .ports(
                        original.sourcePort(),
                        original.destinationPort(),
                        reply.sourcePort(),
                        reply.destinationPort())
                    .status(kind == Kind.NEW ? status & ~0x6 : status);
            if (kind == Kind.DESTROY) {
              event.counters(counted);
            }
            event.publish();
          });
    }
  }

  /** A kernel and an agent. */
  private final class World implements CarriedReader.Source {
    final Random random;
    PlayedPrograms programs = new PlayedPrograms();
    MappingIndex index = new MappingIndex();
    CarriedFlows carried = new CarriedFlows(index);
    final EventLog log = new EventLog(1 << 14);
    FlowTracker tracker = tracker();
    CarriedReader reader = reader();
    final List<Known> open = new ArrayList<>();
    final List<Known> all = new ArrayList<>();
    final Deque<FlowRecord> events = new ArrayDeque<>();

    World(long seed) {
      random = new Random(seed);
      index.replaceAll(List.of(web, web6, dns));
    }

    private FlowTracker tracker() {
      return new FlowTracker(index, log, new FlowTable(1 << 12), carried);
    }

    private CarriedReader reader() {
      CarriedReader made = new CarriedReader(this, carried);
      carried.readBy(made);
      return made;
    }

    @Override
    public int flows(OffloadRecords target) {
      return programs.flows(target);
    }

    @Override
    public int take(OffloadRecords flows, int count) {
      return programs.take(flows, count);
    }

    @Override
    public void refresh() {}

    void begin() {
      Known flow = flow(all.size() + 1L, 40000 + random.nextInt(8), random.nextInt(4));
      if (open.stream().anyMatch(other -> other.original.equals(flow.original))) {
        return;
      }
      open.add(flow);
      all.add(flow);
      events.add(flow.event(Kind.NEW));
    }

    void deliver() {
      for (FlowRecord event = events.poll(); event != null; event = events.poll()) {
        tracker.onFlow(event);
      }
    }

    void delete(Known flow) {
      flow.isOver = true;
      open.remove(flow);
      events.add(flow.event(Kind.DESTROY));
    }

    void learn(Known flow, int way) {
      if (!events.isEmpty()) {
        return; // until a flow is carried, its beginning has been read, and earlier ends are told
      }
      reader.takeUrgent();
      tracker.settle();
      if (!programs.has(flow.direction(way))) {
        flow.entries[way] = programs.learn(flow.direction(way), flow.becomes(way));
      }
    }

    void restart() {
      deliver();
      settle();
      for (Known flow : open) {
        Carried known = carried.of(flow.entry());
        flow.isForgotten |=
            known.original().packets() != held(flow, 0) || known.reply().packets() != held(flow, 1);
      }
      Map<MappingId, Traffic> kept = index.kept();
      PlayedPrograms orphan = programs;
      programs = new PlayedPrograms();
      index = new MappingIndex();
      index.replaceAll(List.of(web, web6, dns));
      index.continueFrom(kept);
      carried = new CarriedFlows(index);
      tracker = tracker();
      reader = reader();
      for (Known flow : open) {
        flow.entries = new PlayedPrograms.Entry[2];
      }
      CarriedReader.Source left =
          new CarriedReader.Source() {
            @Override
            public int flows(OffloadRecords target) {
              return orphan.flows(target);
            }

            @Override
            public int take(OffloadRecords flows, int count) {
              return orphan.take(flows, count);
            }

            @Override
            public void refresh() {}
          };
      CarriedReader.adopt(left, carried);
      CarriedReader.adopt(left, carried); // by another device
      assertThat(orphan.size()).isZero();
    }

    private long held(Known flow, int way) {
      PlayedPrograms.Entry entry = flow.entries[way];
      return entry == null || !programs.has(flow.direction(way)) ? 0 : entry.packets;
    }

    void settle() {
      reader.look();
      reader.takeUrgent();
      tracker.settle();
    }

    /** What connection tracking and the fast path have counted is the truth, to the byte. */
    void checkMappings() {
      reader.look();
      Map<MappingId, Traffic> totals = new HashMap<>(index.ended());
      Map<MappingId, Traffic> truth = new HashMap<>();
      for (Known flow : all) {
        flow.mapping.ifPresent(
            id -> {
              if (!flow.isOver) {
                totals.merge(id, traffic(flow.counted), Traffic::plus);
              }
              truth.merge(id, traffic(flow.truth), Traffic::plus);
            });
      }
      truth.values().removeIf(Traffic.NONE::equals);
      totals.values().removeIf(Traffic.NONE::equals);
      assertThat(totals).isEqualTo(truth);
    }

    void checkEnds() throws InterruptedException {
      Map<Long, Flow> ends = new HashMap<>();
      EventStream.Cursor cursor = log.from(1, FlowFilter.ALL, EventStream.Format.LINES);
      byte[] target = new byte[1 << 16];
      for (int length = cursor.read(target, 0); length > 0; length = cursor.read(target, 0)) {
        for (String line :
            new String(target, 0, length, StandardCharsets.US_ASCII).lines().toList()) {
          if (FlowJson.readEvent(line) instanceof FlowEvent.Ended ended) {
            assertThat(ends.put(ended.flow().id(), ended.flow())).as("told twice").isNull();
          }
        }
      }
      for (Known flow : all) {
        Flow end = ends.get(flow.id);
        assertThat(end != null).as("the end of %d is told", flow.id).isEqualTo(flow.isOver);
        if (end != null && !flow.isForgotten) {
          assertThat(
                  new Traffic(
                      end.originalCounters().orElseThrow(), end.replyCounters().orElseThrow()))
              .as("the end of %d", flow.id)
              .isEqualTo(traffic(flow.truth));
        }
      }
    }
  }

  private static Traffic traffic(long[] four) {
    return new Traffic(new FlowCounters(four[0], four[1]), new FlowCounters(four[2], four[3]));
  }

  private Known flow(long id, int port, int which) {
    return switch (which) {
      case 0 -> known(id, Optional.of(web.id()), TCP, CLIENT, port, HOST, 8080, TARGET, 80);
      case 1 -> known(id, Optional.of(web6.id()), TCP, CLIENT6, port, HOST6, 8080, TARGET6, 80);
      case 2 -> known(id, Optional.of(dns.id()), UDP, CLIENT, port, HOST, 5303, TARGET, 5303);
      // What the container sends out is masqueraded, and goes through no mapping.
      default ->
          new Known(
              id,
              Optional.empty(),
              TCP,
              (CARRIABLE & ~0x20) | SRC_NAT,
              new Direction(TCP, TARGET, port, CLIENT, 443),
              new Direction(TCP, CLIENT, 443, HOST, port + 1000));
    };
  }

  private static Known known(
      long id,
      Optional<MappingId> mapping,
      int protocol,
      IpAddress client,
      int port,
      IpAddress host,
      int hostPort,
      IpAddress target,
      int targetPort) {
    return new Known(
        id,
        mapping,
        protocol,
        CARRIABLE,
        new Direction(protocol, client, port, host, hostPort),
        new Direction(protocol, target, targetPort, client, port));
  }

  /**
   * Whatever happens, in whatever order: at every moment the mappings' sums are what was sent, and
   * in the end each flow's end is. Fails if a packet is counted twice or not at all.
   */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void everyPacketIsCountedOnce(long seed) throws InterruptedException {
    World world = new World(seed);
    Random random = world.random;
    for (int step = 0; step < 4_000; step++) {
      Known flow = world.open.isEmpty() ? null : world.open.get(random.nextInt(world.open.size()));
      int way = random.nextInt(2);
      int bytes = 40 + random.nextInt(1_460);
      int what = random.nextInt(1_000);
      if (flow == null || what < 60) {
        world.begin();
      } else if (what < 300) {
        flow.slow(way, 1, bytes);
      } else if (what < 600) {
        if (!flow.fast(way, 2, 2L * bytes)) {
          world.learn(flow, way);
          flow.slow(way, 1, bytes);
        }
      } else if (what < 640) {
        end(flow);
        flow.slow(way, 1, bytes);
      } else if (what < 670) {
        // Deleted by others: its entries carry on until the programs look at it again. The reader
        // has to know of them, which takes it a second.
        world.reader.look();
        world.delete(flow);
        flow.fast(way, 1, bytes);
        end(flow);
      } else if (what < 700) {
        List<ConntrackEntry> doomed = List.of(flow.entry());
        world.reader.beforeEnd(doomed);
        flow.fast(way, 1, bytes);
        world.delete(flow);
        if (random.nextBoolean()) {
          world.deliver();
        }
        flow.fast(1 - way, 1, bytes);
        end(flow);
        world.reader.afterEnd(doomed);
      } else if (what < 800) {
        world.deliver();
      } else if (what < 850) {
        world.reader.look();
      } else if (what < 900) {
        world.reader.takeUrgent();
      } else if (what < 950) {
        world.tracker.settle();
      } else if (what < 955) {
        world.restart();
      } else if (world.events.isEmpty()) {
        world.checkMappings();
      }
    }
    world.deliver();
    world.reader.look();
    for (Known flow : List.copyOf(world.open)) {
      end(flow);
      world.delete(flow);
    }
    world.deliver();
    world.settle();
    world.checkMappings();
    world.checkEnds();
    world.reader.look();
    assertThat(world.programs.size()).as("entries that nobody takes").isZero();
    assertThat(world.carried.statistics().entries()).isZero();
  }

  private static void end(Known flow) {
    for (PlayedPrograms.Entry entry : flow.entries) {
      if (entry != null) {
        entry.ended = true;
      }
    }
  }

  /** Fails if an end is told without what was carried since the last look, or waits for ever. */
  @Test
  void anEndWaitsForWhatIsStillInTheKernel() throws InterruptedException {
    World world = new World(1);
    Known flow = flow(1, 40000, 0);
    world.all.add(flow);
    world.tracker.onFlow(flow.event(Kind.NEW));
    flow.slow(0, 32, 3_200);
    world.learn(flow, 0);
    flow.fast(0, 10, 15_000);
    world.reader.look();
    flow.fast(0, 5, 7_500);
    world.delete(flow);
    world.deliver();
    assertThat(world.log.nextSequence()).as("only the beginning was told").isEqualTo(2);
    world.tracker.settle();
    assertThat(world.log.nextSequence()).isEqualTo(2);
    world.reader.takeUrgent();
    world.tracker.settle();
    assertThat(world.log.nextSequence()).isEqualTo(3);
    world.checkEnds();
    assertThat(world.carried.isEmpty()).as("nothing stays of it").isTrue();
  }

  /** Fails if what nobody takes holds up the end of the stream. */
  @Test
  void withNobodyToTakeAnEndIsToldInTheEnd() throws InterruptedException {
    World world = new World(1);
    Known flow = flow(1, 40000, 1);
    world.all.add(flow);
    world.tracker.onFlow(flow.event(Kind.NEW));
    world.learn(flow, 1);
    flow.fast(1, 3, 4_500);
    world.reader.look();
    world.delete(flow);
    world.deliver();
    assertThat(world.log.nextSequence()).isEqualTo(2);
    world.tracker.end();
    world.checkEnds();
  }

  /** Fails if a flow that is carried is not marked, or its counters are another direction's. */
  @Test
  void aFlowTellsWhatWasCarried() {
    World world = new World(1);
    for (int which = 0; which < 4; which++) {
      Known flow = flow(1, 40000, which);
      assertThat(world.carried.of(flow.entry())).isEqualTo(Carried.NOTHING);
      world.learn(flow, 0);
      world.learn(flow, 1);
      flow.fast(0, 2, 300);
      flow.fast(1, 1, 1_500);
      world.reader.look();
      Carried inBoth = new Carried(true, new FlowCounters(2, 300), new FlowCounters(1, 1_500));
      assertThat(world.carried.of(flow.entry())).isEqualTo(inBoth);
      end(flow);
      world.reader.look();
      assertThat(world.carried.of(flow.entry()))
          .isEqualTo(new Carried(false, inBoth.original(), inBoth.reply()));
      assertThat(world.programs.size()).isZero();
    }
    assertThat(world.carried.statistics()).isEqualTo(new CarriedStatistics(0, 12, 7_200));
  }

  /** Fails if what carries nothing keeps its place for ever, or loses it at once. */
  @Test
  void whatIsIdleIsTaken() {
    World world = new World(1);
    Known flow = flow(1, 40000, 0);
    world.learn(flow, 0);
    flow.fast(0, 1, 100);
    OffloadRecords records = new OffloadRecords(OffloadRecords.MIN_FOR_FLOWS);
    OffloadRecords due = new OffloadRecords(4);
    long nanos = EventLog.nowNanos();
    long idle = CarriedFlows.IDLE_NANOS;
    assertThat(world.carried.read(records, world.flows(records), nanos, due, 0)).isZero();
    assertThat(world.flows(records)).isZero();
    assertThat(world.carried.read(records, world.flows(records), nanos + idle - 1, due, 0))
        .isZero();
    flow.fast(0, 1, 100);
    assertThat(world.flows(records)).isZero();
    assertThat(world.carried.read(records, world.flows(records), nanos + idle, due, 0)).isZero();
    assertThat(world.flows(records)).isZero();
    assertThat(world.carried.read(records, world.flows(records), nanos + 2 * idle, due, 0))
        .isEqualTo(1);
    assertThat(due.source(0)).isEqualTo(CLIENT);
    assertThat(due.sourcePort(0)).isEqualTo(40000);
    // Taken and carried again, it is not idle at once.
    world.carried.taken(due, world.take(due, 1), nanos + 2 * idle);
    world.learn(flow, 0);
    assertThat(world.flows(records)).isZero();
    assertThat(world.carried.read(records, world.flows(records), nanos + 3 * idle, due, 0))
        .isZero();
    assertThat(world.index.ended())
        .containsOnly(
            Map.entry(web.id(), new Traffic(new FlowCounters(2, 200), new FlowCounters(0, 0))));
  }

  /** Fails if counters are lost, or the table grows, where there is no room for more directions. */
  @Test
  void withoutRoomEveryPacketIsCountedAllTheSame() {
    World world = new World(1);
    world.carried = new CarriedFlows(world.index, 2);
    world.reader = world.reader();
    List<Known> flows = new ArrayList<>();
    for (int port = 40000; port < 40008; port++) {
      Known flow = flow(port, port, 0);
      flows.add(flow);
      world.all.add(flow);
      world.learn(flow, 0);
    }
    for (int round = 0; round < 3; round++) {
      for (Known flow : flows) {
        world.learn(flow, 0);
        flow.fast(0, 1, 100);
      }
      world.checkMappings();
    }
    assertThat(world.programs.size()).isEqualTo(2);
  }
}
