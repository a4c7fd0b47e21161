package dev.sluice.netlink;

import static dev.sluice.netlink.LinuxNetlink.NETLINK_NETFILTER;
import static dev.sluice.netlink.LinuxNetlink.NETLINK_ROUTE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.Sys;
import dev.sluice.testing.Netns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Sockets and network namespaces of the live kernel. */
class NetlinkSocketIT {
  // linux/rtnetlink.h: all that is needed to ask for links and read their names.
  private static final int RTM_NEWLINK = 16;
  private static final int RTM_GETLINK = 18;
  private static final int IFINFOMSG_BYTES = 16;
  private static final int IFLA_IFNAME = 3;
  private static final int RTNLGRP_LINK = 1;

  private final Netns netns = Netns.create("sockets");

  @AfterEach
  void close() {
    netns.close();
  }

  private NetlinkSocket open() {
    try (NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      return NetlinkSocket.open(NETLINK_ROUTE, namespace);
    }
  }

  private static MessageWriter getLinks() {
    MessageWriter request = new MessageWriter();
    request.begin(RTM_GETLINK, NLM_F_REQUEST, 0);
    for (int i = 0; i < IFINFOMSG_BYTES / 4; i++) {
      request.u32(0);
    }
    return request.end();
  }

  private static List<String> links(NetlinkSocket socket) {
    List<String> names = new ArrayList<>();
    new NetlinkClient(socket, MessageSchema.UNKNOWN)
        .dumpOnce(
            getLinks(),
            "list links",
            message -> {
              assertThat(message.type()).isEqualTo(RTM_NEWLINK);
              names.add(name(message));
            });
    return names;
  }

  private static String name(MessageCursor message) {
    AttributeCursor attributes = message.attributes(IFINFOMSG_BYTES);
    while (attributes.next()) {
      if (attributes.type() == IFLA_IFNAME) {
        return attributes.string();
      }
    }
    throw new AssertionError("a link without a name");
  }

  /** Fails if a socket belongs to another namespace than the one it was opened in. */
  @Test
  void aSocketSeesTheNamespaceItWasOpenedIn() throws Exception {
    netns.ip("link add only-here type bridge");
    List<String> seenByOthers =
        netns.exec("ls", "/sys/class/net").orFail().stdout().lines().sorted().toList();
    try (NetlinkSocket inside = open();
        NetlinkSocket outside = NetlinkSocket.open(NETLINK_ROUTE)) {
      assertThat(links(inside)).contains("lo", "only-here").hasSameElementsAs(seenByOthers);
      assertThat(links(outside)).doesNotContain("only-here");
    }
  }

  /** Fails if running code inside a namespace leaves the caller's thread in it. */
  @Test
  void callingInsideANamespaceLeavesTheCallerOutside() throws Exception {
    Path own = ownNamespace();
    try (NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      assertThat(namespace.call(NetlinkSocketIT::ownNamespace)).isNotEqualTo(own);
    }
    assertThat(ownNamespace()).isEqualTo(own);
  }

  private static Path ownNamespace() throws IOException {
    return Files.readSymbolicLink(Path.of("/proc/thread-self/ns/net"));
  }

  /** Fails if what the code inside throws is lost or wrapped. */
  @Test
  void whatIsThrownInsideANamespaceIsThrownOutside() {
    try (NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      assertThatThrownBy(
              () ->
                  namespace.call(
                      () -> {
                        throw new IllegalStateException("from inside");
                      }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("from inside");
    }
  }

  /** Fails if closing twice closes whatever has got the number since. */
  @Test
  void closingTwiceDoesNotCloseAnothersFile() throws Exception {
    NetworkNamespace first = NetworkNamespace.open(netns.path());
    first.close();
    try (NetworkNamespace second = NetworkNamespace.open(netns.path())) {
      assertThat(second.fd()).as("the number is taken again").isEqualTo(first.fd());
      first.close();
      assertThat(second.call(() -> "still open")).isEqualTo("still open");
    }
    assertThatThrownBy(() -> first.call(() -> "never"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageEndingWith("is closed");

    NetlinkSocket socket = open();
    socket.close();
    try (NetlinkSocket next = open()) {
      socket.close();
      assertThat(links(next)).contains("lo");
    }
  }

  /** Fails if a namespace that does not exist is reported without its name. */
  @Test
  void namesTheNamespaceThatIsMissing() {
    assertThatThrownBy(() -> NetworkNamespace.open(Path.of("/run/netns/slt-nowhere")))
        .hasMessageContaining("/run/netns/slt-nowhere")
        .hasMessageContaining("ENOENT");
  }

  /**
   * Fails if a message that another process sent to our port is believed: it could acknowledge what
   * the kernel refused. A connected socket hears its peer alone, here the kernel.
   */
  @Test
  void ignoresMessagesOfOtherProcesses() {
    try (NetlinkSocket socket = open()) {
      String forge =
          """
          import socket, struct
          s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
          s.bind((0, 0))
          try:
              s.sendto(struct.pack("=IHHII", 16, 3, 0, 0, 0), (%s, 0))
              print("sent")
          except ConnectionRefusedError:
              print("refused")
          """
              .formatted(Integer.toUnsignedString(socket.portId()));
      assertThat(netns.exec("/usr/bin/python3", "-c", forge).orFail().stdout())
          .isEqualTo("refused\n");
      assertThat(socket.receive(NativeBuffer.allocate(65_536), 0))
          .isEqualTo(NetlinkTransport.NOTHING);
      assertThat(links(socket)).contains("lo");
    }
  }

  /** Fails if a full receive buffer is not noticed, or not counted. */
  @Test
  void noticesAndCountsWhatWasDropped() {
    try (NetlinkSocket socket = open()) {
      socket.receiveBuffer(4096);
      socket.joinGroup(RTNLGRP_LINK);
      assertThat(socket.drops()).isZero();
      for (int i = 0; i < 20; i++) {
        netns.ip("link add b" + i + " type bridge");
      }
      NativeBuffer buffer = NativeBuffer.allocate(65_536);
      List<Integer> received = new ArrayList<>();
      for (int length = socket.receive(buffer, 0);
          length != NetlinkTransport.NOTHING;
          length = socket.receive(buffer, 0)) {
        received.add(length);
      }
      assertThat(received).contains(NetlinkTransport.OVERRUN);
      assertThat(socket.drops()).isPositive();
    }
  }

  /** Fails if waiting does not end when a message arrives, or when the time is up. */
  @Test
  void waitsForAMessageAsLongAsItIsTold() {
    try (NetlinkSocket socket = open()) {
      socket.joinGroup(RTNLGRP_LINK);
      NativeBuffer buffer = NativeBuffer.allocate(65_536);
      long start = System.nanoTime();
      assertThat(socket.receive(buffer, 60)).isEqualTo(NetlinkTransport.NOTHING);
      assertThat(System.nanoTime() - start).isGreaterThan(50_000_000L);

      netns.start("sh", "-c", "sleep 0.2; ip link add late type bridge");
      int length = socket.receive(buffer, 20_000);
      MessageCursor message = new MessageCursor(buffer.bytes(), 0, length);
      assertThat(message.next()).isTrue();
      assertThat(name(message)).isEqualTo("late");
    }
  }

  /** Fails if a request larger than the send buffer is refused instead of making room for it. */
  @Test
  void sendsWhatIsLargerThanTheSendBuffer() {
    try (NetlinkSocket socket = open()) {
      socket.sendBuffer(4096);
      MessageWriter batch = new MessageWriter();
      for (int i = 0; i < 20_000; i++) {
        batch.begin(LinuxNetlink.NLMSG_NOOP, 0, 0).end();
      }
      socket.send(batch.address(), batch.length(), "send much");
      assertThat(links(socket)).contains("lo");
    }
  }

  private NetlinkSocket adopt(int fd, int family) throws Exception {
    try (NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      return namespace.call(() -> NetlinkSocket.adopt(fd, family));
    }
  }

  /**
   * Fails if what the former user left is not read to its end: an unfinished dump makes the kernel
   * refuse the next (EBUSY). Fails as well if the socket gets another port, or is handed on to
   * programs.
   */
  @Test
  void anAdoptedSocketKeepsItsPortAndNothingElseOfItsFormerUser() throws Exception {
    netns.ip(
        IntStream.range(0, 200)
            .mapToObj(i -> "link add many" + i + " type bridge")
            .toArray(String[]::new));
    try (NetlinkSocket former = open()) {
      MessageWriter dump = getLinks();
      dump.addFlags(0, LinuxNetlink.NLM_F_DUMP);
      former.send(dump.address(), dump.length(), "begin a dump");
      try (NetlinkSocket heir = adopt(Sys.dup(former.fd()), NETLINK_ROUTE)) {
        assertThat(heir.portId()).isEqualTo(former.portId());
        assertThat(heir.receive(NativeBuffer.allocate(65_536), 0))
            .isEqualTo(NetlinkTransport.NOTHING);
        assertThat(links(heir)).contains("many0", "many199").hasSizeGreaterThan(200);
        assertThat(Files.readAllLines(Path.of("/proc/self/fdinfo/" + heir.fd())))
            .as("O_CLOEXEC")
            .anyMatch(line -> line.matches("flags:\\s+0?2[0-7]{6}"));
      }
    }
  }

  /** Fails if any of the three is not looked at; a refused descriptor stays the caller's. */
  @Test
  void adoptsOnlyWhatIsOfItsFamilyAndNamespace() throws Exception {
    try (NetlinkSocket inside = open();
        NetlinkSocket outside = NetlinkSocket.open(NETLINK_ROUTE);
        NetworkNamespace file = NetworkNamespace.open(netns.path())) {
      assertThatThrownBy(() -> adopt(outside.fd(), NETLINK_ROUTE))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageEndingWith("is a netlink socket of another network namespace");
      assertThatThrownBy(() -> adopt(inside.fd(), NETLINK_NETFILTER))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageEndingWith("is a socket of domain 16, protocol 0, not of netlink family 12");
      assertThatThrownBy(() -> adopt(file.fd(), NETLINK_ROUTE))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("is no socket: ENOTSOCK");
      assertThat(links(inside)).contains("lo");
      assertThat(links(outside)).contains("lo");
    }
  }
}
