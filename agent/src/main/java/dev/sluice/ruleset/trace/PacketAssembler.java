package dev.sluice.ruleset.trace;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.model.TracedPacket.Way;
import dev.sluice.nftables.TraceMessage;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Sorts what the kernel tells by packet. A packet begins where our table marks it, and ends with a
 * decision, behind the last hook, or when nothing was heard of it for a while. What is told of
 * packets that others marked is left out.
 *
 * <p>Not thread-safe.
 */
final class PacketAssembler {
  /** How long nothing is heard of a packet that goes on: a queue of user space may hold it. */
  private static final long SILENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private static final int MOST_PACKETS = 1_024;
  private static final int MOST_STEPS = 1_024;

  /**
   * What was told of one packet.
   *
   * @param time when it was first heard of
   * @param steps in order, at least one
   * @param complete whether its end was told
   * @param gap whether something of it may be missing
   */
  record Trail(Instant time, Way way, List<TraceMessage> steps, boolean complete, boolean gap) {}

  private static final class Open {
    private final Way way;
    private final Instant time;
    private final List<TraceMessage> steps = new ArrayList<>();
    private TraceMessage.@Nullable Packet header;
    private long lastNanos;
    private boolean gap;

    Open(Way way, Instant time) {
      this.way = way;
      this.time = time;
    }
  }

  private final Map<Integer, Open> open = new LinkedHashMap<>();
  private final Consumer<Trail> consumer;
  private final Clock clock;
  private final LongSupplier nanos;

  /**
   * @param consumer gets each packet
   * @param nanos as {@link System#nanoTime}
   */
  PacketAssembler(Consumer<Trail> consumer, Clock clock, LongSupplier nanos) {
    this.consumer = consumer;
    this.clock = clock;
    this.nanos = nanos;
  }

  /** Takes the next message. */
  void add(TraceMessage message) {
    boolean ours = message.table().equals(TraceTable.ID);
    if (ours && message.packet().isPresent() && isMark(message)) {
      // The kernel has given the id to another packet.
      cutOff(message.id());
      begin(message);
    }
    Open packet = open.get(message.id());
    if (packet == null) {
      packet = findRenamed(message);
    }
    if (packet == null) {
      return;
    }
    packet.header = message.packet().orElse(packet.header);
    packet.lastNanos = nanos.getAsLong();
    if (packet.steps.size() < MOST_STEPS) {
      packet.steps.add(message);
    } else {
      packet.gap = true;
    }
    if (isEnd(message, ours)) {
      end(message.id(), true);
    }
  }

  /** Something was not told: whatever is under way may lack it. */
  void lost() {
    open.values().forEach(packet -> packet.gap = true);
  }

  /**
   * Gives up those of which nothing was heard for a while; to be called when nothing waits to be
   * read.
   */
  void expire() {
    long now = nanos.getAsLong();
    List<Integer> silent = new ArrayList<>();
    open.forEach(
        (id, packet) -> {
          if (now - packet.lastNanos > SILENCE_NANOS) {
            silent.add(id);
          }
        });
    silent.forEach(id -> end(id, false));
  }

  /**
   * The packet that goes on under this id. The kernel makes the id of the device by which the
   * packet came, among others (nf_trace.c), and that changes where br_netfilter has a frame pass
   * prerouting at the port of the bridge, and the rest as one of the bridge.
   */
  private @Nullable Open findRenamed(TraceMessage message) {
    if (message.packet().isEmpty()) {
      return null;
    }
    for (Map.Entry<Integer, Open> entry : open.entrySet()) {
      Open packet = entry.getValue();
      if (packet.header != null && Headers.areOfOnePacket(packet.header, message.packet().get())) {
        open.remove(entry.getKey());
        open.put(message.id(), packet);
        return packet;
      }
    }
    return null;
  }

  private void begin(TraceMessage message) {
    if (open.size() == MOST_PACKETS) {
      Iterator<Integer> oldest = open.keySet().iterator();
      cutOff(oldest.next());
    }
    boolean asks =
        message.chain().equals(TraceTable.QUESTION)
            || TraceTable.QUESTION.equals(message.verdict().chain());
    open.put(message.id(), new Open(asks ? Way.QUESTION : Way.ANSWER, clock.instant()));
  }

  /**
   * In the marking chain itself, or on the way to it where the bit is set already, as behind lo.
   */
  private static boolean isMark(TraceMessage message) {
    String target = message.verdict().chain();
    return message.chain().equals(TraceTable.QUESTION)
        || message.chain().equals(TraceTable.ANSWER)
        || TraceTable.QUESTION.equals(target)
        || TraceTable.ANSWER.equals(target);
  }

  private static boolean isEnd(TraceMessage message, boolean ours) {
    int verdict = message.verdict().code();
    if (message.type() == NFT_TRACETYPE_POLICY) {
      return verdict == NF_DROP
          || (ours
              && (message.chain().equals(TraceTable.INPUT_LAST)
                  || message.chain().equals(TraceTable.POSTROUTING_LAST)));
    }
    return message.type() == NFT_TRACETYPE_RULE && (verdict == NF_DROP || verdict == NF_STOLEN);
  }

  /** Ends it though more may be told of it: that it is not seen any more is our own doing. */
  private void cutOff(int id) {
    Open packet = open.get(id);
    if (packet != null) {
      packet.gap = true;
      end(id, false);
    }
  }

  private void end(int id, boolean complete) {
    Open packet = open.remove(id);
    if (packet != null) {
      consumer.accept(
          new Trail(packet.time, packet.way, List.copyOf(packet.steps), complete, packet.gap));
    }
  }
}
