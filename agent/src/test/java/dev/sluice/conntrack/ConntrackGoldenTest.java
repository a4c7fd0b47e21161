package dev.sluice.conntrack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.Errno;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessagePrinter;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.testing.Golden;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Encoder and decoder against what {@code conntrack} and the kernel said to each other. */
class ConntrackGoldenTest {
  private static final int LENGTH_OFFSET = 0;
  private static final int TYPE_OFFSET = 4;
  private static final int FLAGS_OFFSET = 6;
  private static final int PORT_OFFSET = 12;

  private static final TupleFilter ANY = TupleFilter.ANY;

  // ---- requests

  private static byte[] written(Consumer<MessageWriter> request) {
    MessageWriter writer = new MessageWriter();
    request.accept(writer);
    return writer.toByteArray();
  }

  /** Equal but for the flags that NetlinkClient adds and the sequence number. */
  private static void assertSameRequest(Golden golden, byte[] ours) {
    byte[] theirs = golden.sent().get(0).clone();
    Arrays.fill(theirs, FLAGS_OFFSET, PORT_OFFSET, (byte) 0);
    byte[] same = ours.clone();
    assertThat(PlayedKernel.wrap(same).getShort(FLAGS_OFFSET))
        .isEqualTo((short) LinuxNetlink.NLM_F_REQUEST);
    Arrays.fill(same, FLAGS_OFFSET, PORT_OFFSET, (byte) 0);
    assertThat(same).as("%s", golden).isEqualTo(theirs);
  }

  private static void assertSameDump(String name, ConntrackFilter filter) {
    assertSameRequest(
        Golden.load("conntrack/" + name), written(w -> Requests.dump(w, filter, true)));
  }

  /** Fails if a filter that conntrack sends too is sent with another attribute, order or mask. */
  @Test
  void dumpsAreAskedForAsConntrackDoes() {
    ConntrackFilter all = ConntrackFilter.ALL;
    assertSameDump("dump", all);
    assertSameDump("dump-ipv6", all.family(Family.IPV6));
    assertSameDump("dump-mark", all.mark(42, -1));
    assertSameDump("dump-mark-masked", all.mark(0x2a, 0xff));
    assertSameDump(
        "dump-status", all.status(LinuxNfConntrack.IPS_ASSURED, LinuxNfConntrack.IPS_ASSURED));
  }

  /** Fails if a tuple is encoded in another way than conntrack's. */
  @Test
  void anEntryIsAskedForAsConntrackDoes() {
    Golden golden = Golden.load("conntrack/get");
    ConntrackEntry entry = decode(golden.receivedMessages().get(0));
    assertSameRequest(golden, written(w -> Requests.get(w, entry.original(), 0)));
    Tuple missing =
        Tuple.of(17, IpAddress.parse("172.30.0.1"), 9, IpAddress.parse("172.30.0.2"), 9);
    assertSameRequest(
        Golden.load("conntrack/get-missing"), written(w -> Requests.get(w, missing, 0)));
    assertSameRequest(Golden.load("conntrack/count"), written(Requests::size));
    assertSameRequest(Golden.load("conntrack/statistics"), written(Requests::statistics));
  }

  /**
   * Fails if a delete has no tuple (the kernel would empty the table) or no id. conntrack sends the
   * same tuple and much that the kernel ignores, but no id.
   */
  @Test
  void aDeleteNamesTheTupleAndTheId() {
    Golden golden = Golden.load("conntrack/delete");
    byte[] theirs =
        golden.sentMessages().stream()
            .filter(
                m ->
                    PlayedKernel.wrap(m).getShort(TYPE_OFFSET)
                        == (LinuxNetlink.NFNL_SUBSYS_CTNETLINK << 8
                            | LinuxNfConntrack.IPCTNL_MSG_CT_DELETE))
            .findFirst()
            .orElseThrow();
    Tuple deleted = decode(Golden.load("conntrack/get").receivedMessages().get(0)).original();
    ConntrackEntry entry =
        golden.receivedMessages().stream()
            .filter(ConntrackGoldenTest::isEntry)
            .map(ConntrackGoldenTest::decode)
            .filter(e -> e.original().equals(deleted))
            .findFirst()
            .orElseThrow();
    byte[] ours = written(w -> Requests.delete(w, entry));
    int tupleEnd = 72;
    assertThat(Arrays.copyOfRange(ours, 16, tupleEnd))
        .isEqualTo(Arrays.copyOfRange(theirs, 16, tupleEnd));
    assertThat(MessagePrinter.print(buffer(ours), 0, ours.length, ConntrackSchema.INSTANCE))
        .contains("IPCTNL_MSG_CT_DELETE", "CTA_ID " + entry.id());
    assertThat(ours).hasSize(tupleEnd + 8);
  }

  /**
   * Fails if the flags, their masks or where they are differ from what the library of conntrack
   * writes, or the request would make an entry that is gone.
   */
  @Test
  void windowsAreLeftAloneAsTheLibraryOfConntrackAsksForIt() {
    Tuple connection =
        Tuple.of(6, IpAddress.parse("192.0.2.1"), 1000, IpAddress.parse("192.0.2.2"), 80);
    assertSameRequest(
        Golden.load("conntrack/update-liberal"), written(w -> Requests.liberal(w, connection)));
  }

  // ---- entries

  static Stream<String> captures() {
    return Golden.names("conntrack/").stream()
        .filter(name -> name.contains("/dump") || name.contains("/event") || name.endsWith("/get"));
  }

  private static boolean isEntry(byte[] message) {
    int type = PlayedKernel.wrap(message).getShort(TYPE_OFFSET);
    return type == (LinuxNetlink.NFNL_SUBSYS_CTNETLINK << 8 | LinuxNfConntrack.IPCTNL_MSG_CT_NEW)
        || type
            == (LinuxNetlink.NFNL_SUBSYS_CTNETLINK << 8 | LinuxNfConntrack.IPCTNL_MSG_CT_DELETE);
  }

  private static ByteBuffer buffer(byte[] message) {
    return PlayedKernel.wrap(message);
  }

  private static ConntrackEntry decode(byte[] message) {
    MessageCursor cursor = new MessageCursor(buffer(message), 0, message.length);
    assertThat(cursor.next()).isTrue();
    return EntryDecoder.decode(cursor);
  }

  private static List<byte[]> entries(Golden golden) {
    return golden.receivedMessages().stream().filter(ConntrackGoldenTest::isEntry).toList();
  }

  /**
   * Fails if any attribute is read wrongly: each entry is written out again, value by value, in the
   * words of the annotations that the capture script put beside the bytes.
   */
  @ParameterizedTest
  @MethodSource("captures")
  void entriesAreReadAsAnnotated(String name) {
    Golden golden = Golden.load(name);
    List<List<String>> annotated = Annotations.entries(name);
    List<byte[]> messages = entries(golden);
    assertThat(messages).as("%s", golden).isNotEmpty().hasSameSizeAs(annotated);
    for (int i = 0; i < messages.size(); i++) {
      assertThat(Annotations.of(decode(messages.get(i))))
          .as("%s, entry %d", golden, i)
          .containsExactlyInAnyOrderElementsOf(annotated.get(i));
    }
  }

  /** Fails if a translated flow's real target is not the source of its reply tuple. */
  @Test
  void aPublishedPortIsRecognised() {
    for (String name : List.of("event-tcp-dnat", "event-tcp6-dnat", "event-udp-dnat")) {
      List<byte[]> messages = entries(Golden.load("conntrack/" + name));
      ConntrackEntry first = decode(messages.get(0));
      ConntrackEntry last = decode(messages.get(messages.size() - 1));
      boolean udp = name.contains("udp");
      assertThat(first.isDnat()).as(name).isTrue();
      assertThat(first.original().destinationPort()).hasValue(udp ? 8053 : 8080);
      assertThat(first.reply().sourcePort()).hasValue(udp ? 53 : 80);
      assertThat(first.reply().source())
          .isEqualTo(IpAddress.parse(name.contains("tcp6") ? "fd30::2" : "172.30.0.2"));
      assertThat(last.id()).isEqualTo(first.id());
      assertThat(last.stopNanos().orElseThrow()).isGreaterThan(last.startNanos().orElseThrow());
    }
    ConntrackEntry masqueraded =
        decode(entries(Golden.load("conntrack/event-tcp-masquerade")).get(0));
    assertThat(masqueraded.isDnat()).isFalse();
    assertThat(decode(entries(Golden.load("conntrack/event-udp-mark")).get(0)).mark())
        .isEqualTo(42);
    assertThat(decode(entries(Golden.load("conntrack/event-udp-zone")).get(0)).zone()).isEqualTo(7);
  }

  /**
   * Fails if a length is believed: however a message is cut, it is refused as malformed or read
   * without what was cut off, with both tuples intact.
   */
  @ParameterizedTest
  @MethodSource("captures")
  void messagesCutAnywhereAreRefusedOrComplete(String name) {
    for (byte[] message : entries(Golden.load(name))) {
      ConntrackEntry whole = decode(message);
      for (int length = 0; length < message.length; length++) {
        byte[] cut = Arrays.copyOf(message, length);
        if (length > 0) {
          assertThatThrownBy(() -> decode(cut)).isInstanceOf(MalformedMessageException.class);
        }
        if (length >= 16) {
          PlayedKernel.wrap(cut).putInt(LENGTH_OFFSET, length);
          assertRefusedOrReads(cut, whole);
        }
      }
    }
  }

  private static void assertRefusedOrReads(byte[] message, ConntrackEntry whole) {
    ConntrackEntry entry;
    try {
      entry = decode(message);
    } catch (MalformedMessageException e) {
      return;
    }
    assertThat(entry.original()).isEqualTo(whole.original());
    assertThat(entry.reply()).isEqualTo(whole.reply());
  }

  /** Fails if any bytes make the decoder throw something else than what callers are told. */
  @Test
  void arbitraryDamageIsRefusedAsMalformed() {
    Random random = new Random(20_261_121);
    List<byte[]> messages = new ArrayList<>();
    captures().forEach(name -> messages.addAll(entries(Golden.load(name))));
    int refused = 0;
    for (int i = 0; i < 50_000; i++) {
      byte[] damaged = messages.get(random.nextInt(messages.size())).clone();
      for (int hits = 1 + random.nextInt(4); hits > 0; hits--) {
        damaged[16 + random.nextInt(damaged.length - 16)] = (byte) random.nextInt(256);
      }
      try {
        decode(damaged);
      } catch (MalformedMessageException e) {
        refused++;
      }
    }
    assertThat(refused).isBetween(1_000, 49_000);
  }

  /** Fails if a message or an attribute of a capture has no name in the readable dump. */
  @ParameterizedTest
  @MethodSource("captures")
  void everyAttributeHasAName(String name) {
    for (Golden.Datagram datagram : Golden.load(name).datagrams()) {
      byte[] bytes = datagram.bytes();
      String text = MessagePrinter.print(buffer(bytes), 0, bytes.length, ConntrackSchema.INSTANCE);
      assertThat(text)
          .doesNotContain("[", "!", "message 2")
          .containsPattern("IPCTNL_MSG_CT_|NLMSG_");
    }
  }

  // ---- the table as a whole

  private static <T> T decode(byte[] message, Function<MessageCursor, T> decoder) {
    MessageCursor cursor = new MessageCursor(buffer(message), 0, message.length);
    assertThat(cursor.next()).isTrue();
    return decoder.apply(cursor);
  }

  /** Fails if entries and limit are exchanged or read in the wrong byte order. */
  @Test
  void theSizeIsReadAsConntrackDoes() {
    byte[] answer = Golden.load("conntrack/count").receivedMessages().get(0);
    assertThat(decode(answer, TableSize::decode)).isEqualTo(new TableSize(9, 0x40000));
  }

  /** Fails if a processor's number or a counter is read from another place than conntrack's. */
  @Test
  void theStatisticsAreReadAsConntrackPrintsThem() {
    Golden golden = Golden.load("conntrack/statistics");
    List<String> printed =
        golden.header().stream()
            .filter(line -> line.startsWith("printed: "))
            .map(line -> line.substring("printed: ".length()).replaceAll("\\s+", " ").strip())
            .toList();
    List<byte[]> messages = golden.receivedMessages();
    assertThat(printed).hasSize(messages.size() - 1).hasSizeGreaterThan(1);
    for (int i = 0; i < printed.size(); i++) {
      assertThat(inConntracksWords(decode(messages.get(i), CpuStatistics::decode)))
          .isEqualTo(printed.get(i));
    }
    assertThat(printed).anyMatch(line -> !line.contains(" invalid=0 "));
  }

  private static String inConntracksWords(CpuStatistics cpu) {
    return ("cpu=%d found=%d invalid=%d insert=%d insert_failed=%d drop=%d early_drop=%d error=%d"
            + " search_restart=%d clash_resolve=%d chaintoolong=%d")
        .formatted(
            cpu.cpu(),
            cpu.found(),
            cpu.invalid(),
            cpu.inserted(),
            cpu.insertFailed(),
            cpu.dropped(),
            cpu.earlyDropped(),
            cpu.errors(),
            cpu.searchRestarts(),
            cpu.clashesResolved(),
            cpu.chainsTooLong());
  }

  /** Fails if two counters are exchanged: each of the kernel's message is given its own number. */
  @Test
  void eachCounterIsReadFromItsAttribute() {
    byte[] message = Golden.load("conntrack/statistics").receivedMessages().get(0).clone();
    List<Integer> types = new ArrayList<>();
    for (int at = 20; at < message.length; at += 8) {
      int type = PlayedKernel.wrap(message).getShort(at + 2);
      types.add(type);
      message[at + 4] = (byte) 0xff;
      message[at + 7] = (byte) type;
    }
    long top = 0xff00_0000L;
    assertThat(types).hasSize(10);
    assertThat(decode(message, CpuStatistics::decode))
        .isEqualTo(
            new CpuStatistics(
                0,
                top + LinuxNfConntrack.CTA_STATS_FOUND,
                top + LinuxNfConntrack.CTA_STATS_INVALID,
                top + LinuxNfConntrack.CTA_STATS_INSERT,
                top + LinuxNfConntrack.CTA_STATS_INSERT_FAILED,
                top + LinuxNfConntrack.CTA_STATS_DROP,
                top + LinuxNfConntrack.CTA_STATS_EARLY_DROP,
                top + LinuxNfConntrack.CTA_STATS_ERROR,
                top + LinuxNfConntrack.CTA_STATS_SEARCH_RESTART,
                top + LinuxNfConntrack.CTA_STATS_CLASH_RESOLVE,
                top + LinuxNfConntrack.CTA_STATS_CHAIN_TOOLONG));
  }

  /** Fails if a length in an answer about the table is believed. */
  @Test
  void answersAboutTheTableCutAnywhereAreRefusedOrShorter() {
    byte[] size = Golden.load("conntrack/count").receivedMessages().get(0);
    byte[] statistics = Golden.load("conntrack/statistics").receivedMessages().get(1);
    int refused = 0;
    for (int length = 16; length < statistics.length; length++) {
      refused += refusesCut(statistics, length, CpuStatistics::decode) ? 1 : 0;
      if (length < size.length) {
        refused += refusesCut(size, length, TableSize::decode) ? 1 : 0;
      }
    }
    // At the end of the header and of each attribute but the last the rest is a shorter message.
    assertThat(refused).isEqualTo(84 - 10 + 20 - 2);
  }

  private static boolean refusesCut(
      byte[] message, int length, Function<MessageCursor, ?> decoder) {
    byte[] cut = Arrays.copyOf(message, length);
    PlayedKernel.wrap(cut).putInt(LENGTH_OFFSET, length);
    try {
      decode(cut, decoder);
      return false;
    } catch (MalformedMessageException e) {
      return true;
    }
  }

  // ---- kernels that cannot filter

  private static List<byte[]> dumpAnswer() {
    List<byte[]> answer = new ArrayList<>(entries(Golden.load("conntrack/dump")));
    answer.add(PlayedKernel.result(LinuxNetlink.NLMSG_DONE, 0));
    return answer;
  }

  /** Fails if the answer is believed to be filtered: older kernels ignore what they do not know. */
  @Test
  void aKernelThatIgnoresFiltersChangesNothing() {
    try (Conntrack conntrack = new Conntrack(new PlayedKernel(request -> dumpAnswer()))) {
      List<ConntrackEntry> all = conntrack.list(ConntrackFilter.ALL);
      assertThat(all).hasSizeGreaterThan(5);
      List<ConntrackFilter> filters =
          List.of(
              ConntrackFilter.ALL.family(Family.IPV6),
              ConntrackFilter.ALL.zone(7),
              ConntrackFilter.ALL.mark(42, -1),
              ConntrackFilter.ALL.status(
                  LinuxNfConntrack.IPS_DST_NAT, LinuxNfConntrack.IPS_DST_NAT),
              ConntrackFilter.ALL.original(ANY.protocol(6).destinationPort(8080)),
              ConntrackFilter.ALL.reply(ANY.source(IpAddress.parse("172.30.0.2")).sourcePort(53)),
              ConntrackFilter.ALL.original(ANY.destination(IpAddress.parse("2001:db8:18::1"))));
      for (ConntrackFilter filter : filters) {
        assertThat(conntrack.list(filter))
            .as("%s", filter)
            .isNotEmpty()
            .hasSizeLessThan(all.size())
            .containsExactlyElementsOf(all.stream().filter(filter::matches).toList());
      }
    }
  }

  /** Fails if a kernel without a kind of filter makes the dump fail. */
  @Test
  void aKernelThatRefusesFiltersIsAskedWithout() {
    PlayedKernel kernel =
        new PlayedKernel(
            request ->
                request.length > 20
                    ? List.of(PlayedKernel.result(LinuxNetlink.NLMSG_ERROR, -Errno.EOPNOTSUPP))
                    : dumpAnswer());
    try (Conntrack conntrack = new Conntrack(kernel)) {
      assertThat(conntrack.list(ConntrackFilter.ALL.zone(7))).hasSize(1);
      assertThat(kernel.requests).hasSize(2);
    }
  }

  /** Fails if other refusals are taken for a missing filter, or for an empty table. */
  @Test
  void otherRefusalsAreReported() {
    PlayedKernel kernel =
        new PlayedKernel(
            request -> List.of(PlayedKernel.result(LinuxNetlink.NLMSG_ERROR, -Errno.EPERM)));
    try (Conntrack conntrack = new Conntrack(kernel)) {
      assertThatThrownBy(() -> conntrack.list(ConntrackFilter.ALL))
          .isInstanceOf(NetlinkException.class)
          .hasMessage("cannot list the conntrack entries: EPERM (operation not permitted)");
      ConntrackEntry entry = decode(entries(Golden.load("conntrack/get")).get(0));
      assertThatThrownBy(() -> conntrack.delete(entry)).hasMessageContaining("EPERM");
      assertThatThrownBy(() -> conntrack.deleteAll(List.of(entry))).hasMessageContaining("EPERM");
      assertThatThrownBy(() -> conntrack.get(entry.original(), 0)).hasMessageContaining("EPERM");
    }
  }
}
