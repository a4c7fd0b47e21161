package dev.sluice.network.names;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.net.IpAddress;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.BindException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The responder's sockets: who is answered, how often others are asked, what ends. Everything stays
 * on the loopback device; the resolvers of the host are played by sockets of the test.
 */
@Timeout(60)
class ResponderTest {
  private static final InetAddress GATEWAY = address("127.0.0.1");
  private static final int SERVFAIL = 2;
  private static final int NXDOMAIN = 3;
  private static final long TRY_MILLIS = 300;

  private final List<AutoCloseable> open = new ArrayList<>();
  private final List<InetSocketAddress> resolvers = new ArrayList<>();
  private volatile NameSource names = (source, gateway) -> Optional.of(Neighbours.ALL);
  private Responder responder;
  private int port;

  private static InetAddress address(String text) {
    try {
      return InetAddress.getByAddress(IpAddress.parse(text).toBytes());
    } catch (IOException e) {
      throw new IllegalArgumentException(e);
    }
  }

  @BeforeEach
  void start() throws IOException {
    start(TRY_MILLIS);
  }

  private void start(long tryMillis) throws IOException {
    responder =
        new Responder(
            (source, gateway) -> names.viewOf(source, gateway),
            () -> List.copyOf(resolvers),
            new Responder.Patience(tryMillis, 1_000));
    port = responder.listen(GATEWAY, OptionalInt.empty());
  }

  @AfterEach
  void end() throws Exception {
    responder.close();
    for (AutoCloseable one : open) {
      one.close();
    }
  }

  /** A question for an A record, without OPT. */
  private static byte[] question(int id, String name) {
    StringBuilder digits = new StringBuilder("%04x01000001000000000000".formatted(id));
    for (String label : name.split("\\.", -1)) {
      digits.append("%02x".formatted(label.length()));
      digits.append(HexFormat.of().formatHex(label.getBytes(StandardCharsets.US_ASCII)));
    }
    return HexFormat.of().parseHex(digits.append("0000010001"));
  }

  private <T extends AutoCloseable> T keep(T resource) {
    open.add(resource);
    return resource;
  }

  private DatagramSocket asker() throws SocketException {
    DatagramSocket socket = keep(new DatagramSocket(new InetSocketAddress(GATEWAY, 0)));
    socket.setSoTimeout(5_000);
    return socket;
  }

  private static void send(DatagramSocket from, byte[] message, int to) throws IOException {
    from.send(new DatagramPacket(message, message.length, GATEWAY, to));
  }

  private static DatagramPacket receive(DatagramSocket socket) throws IOException {
    DatagramPacket packet = new DatagramPacket(new byte[65_535], 65_535);
    socket.receive(packet);
    return packet;
  }

  private static byte[] content(DatagramPacket packet) {
    return Arrays.copyOf(packet.getData(), packet.getLength());
  }

  private byte[] ask(DatagramSocket asker, byte[] question) throws IOException {
    send(asker, question, port);
    return content(receive(asker));
  }

  private static int rcode(byte[] answer) {
    return answer[3] & 0xf;
  }

  /** A resolver of the host, on the same port for UDP and TCP. */
  private DatagramSocket resolver() throws IOException {
    DatagramSocket socket = asker();
    resolvers.add(new InetSocketAddress(GATEWAY, socket.getLocalPort()));
    return socket;
  }

  /** An answer without records to a question as it came. */
  private static byte[] answer(byte[] question, int rcode) {
    byte[] answer = question.clone();
    answer[2] |= (byte) 0x80;
    answer[3] = (byte) (0x80 | rcode);
    return answer;
  }

  private static void answer(DatagramSocket resolver, DatagramPacket question, byte[] answer)
      throws IOException {
    resolver.send(new DatagramPacket(answer, answer.length, question.getSocketAddress()));
  }

  private static void await(BooleanSupplier condition) throws InterruptedException {
    boolean holds = condition.getAsBoolean();
    for (int i = 0; i < 2_000 && !holds; i++) {
      Thread.sleep(5);
      holds = condition.getAsBoolean();
    }
    assertThat(holds).isTrue();
  }

  private static void assertSilence(DatagramSocket socket, int millis) throws IOException {
    socket.setSoTimeout(millis);
    assertThatThrownBy(() -> receive(socket)).isInstanceOf(SocketTimeoutException.class);
    socket.setSoTimeout(5_000);
  }

  /** Fails if who is no container of ours is answered, or not counted. */
  @Test
  void whoIsUnknownHearsNothing() throws Exception {
    DatagramSocket asker = asker();
    names = (source, gateway) -> Optional.empty();
    send(asker, question(1, "web"), port);
    assertSilence(asker, 200);
    try (Socket socket = new Socket(GATEWAY, port)) {
      socket.setSoTimeout(5_000);
      assertThat(isOver(socket)).isTrue();
    }
    assertThat(responder.statistics()).isEqualTo(new ResponderStatistics(1, 0, 0, 1, 0));

    names =
        (source, gateway) ->
            source.equals(IpAddress.parse("127.0.0.1"))
                ? Optional.of(Neighbours.ALL)
                : Optional.empty();
    assertThat(rcode(ask(asker, question(2, "web")))).isZero();
    assertThat(responder.statistics()).isEqualTo(new ResponderStatistics(2, 1, 0, 1, 0));
  }

  /** Fails if the source of names can end the thread, or leaves the asker without an answer. */
  @Test
  void aDefectInTheSourceIsServfailAndNoMore() throws Exception {
    DatagramSocket asker = asker();
    names =
        (source, gateway) -> {
          throw new IllegalStateException("a defect, made by the test");
        };
    assertThat(rcode(ask(asker, question(1, "web")))).isEqualTo(SERVFAIL);
    names =
        (source, gateway) -> {
          throw new StackOverflowError("an error, made by the test");
        };
    send(asker, question(2, "web"), port);
    names = (source, gateway) -> Optional.of(Neighbours.ALL);
    await(() -> responder.statistics().queries() == 2);
    assertThat(rcode(ask(asker, question(3, "web")))).isZero();
  }

  /**
   * Fails if UDP and TCP listen at different ports, or a port that is taken is no reason for
   * another.
   */
  @Test
  void aPortIsTakenForBothOrNot() throws Exception {
    InetAddress second = address("127.0.0.2");
    try (DatagramSocket taken = new DatagramSocket(new InetSocketAddress(second, 0))) {
      int other = responder.listen(second, OptionalInt.of(taken.getLocalPort()));
      assertThat(other).isNotEqualTo(taken.getLocalPort());
      assertThat(responder.listen(second, OptionalInt.of(1))).as("again").isEqualTo(other);
      assertThatThrownBy(() -> new ServerSocket(other, 1, second))
          .isInstanceOf(BindException.class);

      responder.stop(second);
      new ServerSocket(other, 1, second).close();
      new DatagramSocket(new InetSocketAddress(second, other)).close();
      assertThat(responder.listen(second, OptionalInt.of(other))).as("preferred").isEqualTo(other);
    }
    assertThatThrownBy(() -> responder.listen(address("192.0.2.1"), OptionalInt.of(5_353)))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("cannot listen for queries on 192.0.2.1");
    responder.close();
    new ServerSocket(port, 1, GATEWAY).close();
    assertThatThrownBy(() -> responder.listen(second, OptionalInt.empty()))
        .isInstanceOf(IllegalStateException.class);
  }

  /** Fails if a query goes to a resolver under its own id, or its answer comes back under ours. */
  @Test
  void anotherNameIsAskedOfTheHostsResolver() throws Exception {
    DatagramSocket resolver = resolver();
    DatagramSocket asker = asker();
    Set<Integer> ids = new HashSet<>();
    Set<Integer> ports = new HashSet<>();
    for (int i = 0; i < 20; i++) {
      byte[] question = question(7, "www.Example.org");
      send(asker, question, port);
      DatagramPacket asked = receive(resolver);
      ids.add((asked.getData()[0] & 0xff) << 8 | (asked.getData()[1] & 0xff));
      ports.add(asked.getPort());
      byte[] seen = content(asked);
      assertThat(Arrays.copyOfRange(seen, 2, seen.length))
          .as("everything behind the id")
          .isEqualTo(Arrays.copyOfRange(question, 2, question.length));
      answer(resolver, asked, answer(seen, NXDOMAIN));
      assertThat(content(receive(asker))).isEqualTo(answer(question, NXDOMAIN));
    }
    assertThat(ids).as("ids of 20 queries").hasSizeGreaterThan(15);
    assertThat(ports).as("source ports of 20 queries").hasSizeGreaterThan(15);
    assertThat(responder.statistics()).isEqualTo(new ResponderStatistics(20, 0, 20, 0, 0));
  }

  /** Fails if an answer with another id, to another question, or from another place is believed. */
  @Test
  void forgeriesAreIgnored() throws Exception {
    DatagramSocket resolver = resolver();
    DatagramSocket forger = asker();
    DatagramSocket asker = asker();
    byte[] question = question(7, "www.example.org");
    send(asker, question, port);
    DatagramPacket asked = receive(resolver);
    byte[] right = answer(content(asked), 0);
    byte[] otherId = answer(content(asked), NXDOMAIN);
    otherId[1] ^= 1;
    answer(resolver, asked, otherId);
    byte[] otherName = answer(content(asked), NXDOMAIN);
    otherName[14] ^= 2;
    answer(resolver, asked, otherName);
    answer(resolver, asked, content(asked));
    answer(resolver, asked, Arrays.copyOf(right, 11));
    answer(resolver, asked, new byte[0]);
    answer(forger, asked, answer(content(asked), NXDOMAIN));
    answer(resolver, asked, right);
    assertThat(content(receive(asker))).isEqualTo(answer(question, 0));
    assertSilence(asker, 100);
  }

  /** Fails if a silent resolver is not followed by the next one, in their order. */
  @Test
  void aSilentResolverIsFollowedByTheNext() throws Exception {
    DatagramSocket silent = resolver();
    DatagramSocket second = resolver();
    DatagramSocket asker = asker();
    long start = System.nanoTime();
    send(asker, question(7, "www.example.org"), port);
    DatagramPacket first = receive(silent);
    DatagramPacket asked = receive(second);
    assertThat(Duration.ofNanos(System.nanoTime() - start))
        .isGreaterThanOrEqualTo(Duration.ofMillis(TRY_MILLIS));
    answer(second, asked, answer(content(asked), NXDOMAIN));
    assertThat(rcode(content(receive(asker)))).isEqualTo(NXDOMAIN);
    answer(silent, first, answer(content(first), 0));
    assertSilence(asker, 100);
  }

  /** Fails if who asks waits for ever, or a resolver is asked more than three times. */
  @Test
  void afterThreeTriesTheAnswerIsServfail() throws Exception {
    DatagramSocket silent = resolver();
    DatagramSocket asker = asker();
    assertThat(rcode(ask(asker, question(7, "www.example.org")))).isEqualTo(SERVFAIL);
    for (int i = 0; i < 3; i++) {
      receive(silent);
    }
    assertSilence(silent, 2 * (int) TRY_MILLIS);
    assertThat(responder.statistics()).isEqualTo(new ResponderStatistics(1, 0, 1, 0, 1));
  }

  /** Fails if a resolver that is not there (ICMP says so) is waited for. */
  @Test
  void aResolverThatIsNotThereCostsNoTime() throws Exception {
    DatagramSocket gone = resolver();
    gone.close();
    DatagramSocket second = resolver();
    DatagramSocket asker = asker();
    long start = System.nanoTime();
    send(asker, question(7, "www.example.org"), port);
    DatagramPacket asked = receive(second);
    assertThat(Duration.ofNanos(System.nanoTime() - start))
        .isLessThan(Duration.ofMillis(TRY_MILLIS));
    answer(second, asked, answer(content(asked), SERVFAIL));
    assertThat(rcode(content(receive(asker)))).as("nobody is left").isEqualTo(SERVFAIL);
  }

  /** Fails if a resolver that says SERVFAIL or REFUSED is believed while there is another. */
  @ParameterizedTest
  @ValueSource(ints = {2, 4, 5})
  void aResolverThatCannotIsFollowedByTheNext(int rcode) throws Exception {
    DatagramSocket first = resolver();
    DatagramSocket second = resolver();
    DatagramSocket asker = asker();
    send(asker, question(7, "www.example.org"), port);
    DatagramPacket asked = receive(first);
    answer(first, asked, answer(content(asked), rcode));
    asked = receive(second);
    answer(second, asked, answer(content(asked), 0));
    assertThat(rcode(content(receive(asker)))).isZero();
  }

  /** Fails if the responder asks itself, or waits although there is nobody to ask. */
  @Test
  void withoutAResolverTheAnswerIsServfailAtOnce() throws Exception {
    DatagramSocket asker = asker();
    assertThat(rcode(ask(asker, question(7, "www.example.org")))).isEqualTo(SERVFAIL);
    resolvers.add(new InetSocketAddress(GATEWAY, port));
    resolvers.add(new InetSocketAddress(GATEWAY, 53));
    assertThat(rcode(ask(asker, question(8, "www.example.org")))).isEqualTo(SERVFAIL);
    assertThat(responder.statistics()).isEqualTo(new ResponderStatistics(2, 0, 0, 0, 2));
  }

  /** Fails if one container's queries may take all places, or places are not given back. */
  @Test
  void aFloodOfOneContainerLeavesRoomForOthers() throws Exception {
    responder.close();
    start(1_500);
    DatagramSocket resolver = resolver();
    DatagramSocket flooder = asker();
    for (int i = 0; i < 300; i += 50) {
      for (int j = i; j < i + 50; j++) {
        send(flooder, question(j, "n" + j + ".example.org"), port);
      }
      int sent = i + 50;
      await(() -> responder.statistics().queries() == sent);
    }
    assertThat(responder.statistics().forwarded()).isEqualTo(100);
    assertThat(responder.statistics().failed()).isEqualTo(200);

    DatagramSocket other = keep(new DatagramSocket(new InetSocketAddress(address("127.0.0.3"), 0)));
    other.setSoTimeout(5_000);
    byte[] question = question(7, "other.example.org");
    send(other, question, port);
    DatagramPacket asked;
    do {
      asked = receive(resolver);
    } while (!new String(content(asked), StandardCharsets.ISO_8859_1).contains("other"));
    answer(resolver, asked, answer(content(asked), 0));
    assertThat(content(receive(other))).isEqualTo(answer(question, 0));

    await(() -> responder.statistics().failed() == 300);
    send(flooder, question(7, "late.example.org"), port);
    await(() -> responder.statistics().forwarded() == 102);
  }

  private Socket connect() throws IOException {
    Socket socket = keep(new Socket(GATEWAY, port));
    socket.setSoTimeout(5_000);
    return socket;
  }

  private static byte[] framed(byte[]... messages) {
    int length = Arrays.stream(messages).mapToInt(message -> 2 + message.length).sum();
    ByteBuffer all = ByteBuffer.allocate(length);
    for (byte[] message : messages) {
      all.putShort((short) message.length).put(message);
    }
    return all.array();
  }

  private static byte[] readMessage(Socket socket) throws IOException {
    DataInputStream in = new DataInputStream(socket.getInputStream());
    return in.readNBytes(in.readUnsignedShort());
  }

  /** Whether the responder closes it without another message, within the socket's timeout. */
  private static boolean isOver(Socket socket) throws IOException {
    try {
      return socket.getInputStream().read() == -1;
    } catch (SocketException e) {
      // It had unread octets and was reset.
      return true;
    }
  }

  /** Fails if a connection takes one query only, waits for the octets of one, or reorders bytes. */
  @Test
  void aConnectionTakesManyQueriesInAnyPieces() throws Exception {
    Socket socket = connect();
    socket.setTcpNoDelay(true);
    byte[][] questions = new byte[20][];
    for (int i = 0; i < questions.length; i++) {
      questions[i] = question(i, "many");
    }
    byte[] all = framed(questions);
    socket.getOutputStream().write(all, 0, 100);
    for (int i = 100; i < 130; i++) {
      socket.getOutputStream().write(all, i, 1);
      Thread.sleep(1);
    }
    socket.getOutputStream().write(all, 130, all.length - 130);
    socket.shutdownOutput();
    for (int i = 0; i < questions.length; i++) {
      byte[] answer = readMessage(socket);
      assertThat(answer).as("answer %d", i).hasSizeGreaterThan(1_600);
      assertThat(answer[1]).isEqualTo((byte) i);
    }
    assertThat(isOver(socket)).as("after the last answer").isTrue();
  }

  /** Fails if a query over TCP is asked over UDP, or a bad answer is believed. */
  @Test
  void queriesOverTcpAreAskedOverTcp() throws Exception {
    ServerSocket first = keep(new ServerSocket(0, 5, GATEWAY));
    ServerSocket second = keep(new ServerSocket(0, 5, GATEWAY));
    first.setSoTimeout(5_000);
    second.setSoTimeout(5_000);
    resolvers.add(new InetSocketAddress(GATEWAY, first.getLocalPort()));
    resolvers.add(new InetSocketAddress(GATEWAY, second.getLocalPort()));
    Socket asker = connect();
    byte[] question = question(7, "www.example.org");
    asker.getOutputStream().write(framed(question));
    try (Socket asked = first.accept()) {
      byte[] seen = readMessage(asked);
      byte[] forged = answer(seen, NXDOMAIN);
      forged[0] ^= 1;
      asked.getOutputStream().write(framed(forged));
    }
    try (Socket asked = second.accept()) {
      byte[] seen = readMessage(asked);
      byte[] large = Arrays.copyOf(answer(seen, 0), 60_000);
      asked.getOutputStream().write(framed(large));
      byte[] answer = readMessage(asker);
      assertThat(answer).hasSize(60_000);
      assertThat(Arrays.copyOf(answer, question.length)).isEqualTo(answer(question, 0));
    }
  }

  /** Fails if a connection may be idle, or kept open by single octets, for ever. */
  @Test
  void anIdleConnectionIsClosed() throws Exception {
    Socket idle = connect();
    Socket slow = connect();
    long start = System.nanoTime();
    byte[] framed = framed(question(1, "web"));
    for (int i = 0; i < 8; i++) {
      slow.getOutputStream().write(framed, i, 1);
      Thread.sleep(100);
    }
    assertThat(isOver(idle)).isTrue();
    assertThat(isOver(slow)).isTrue();
    assertThat(Duration.ofNanos(System.nanoTime() - start))
        .isBetween(Duration.ofMillis(900), Duration.ofSeconds(4));
  }

  /** Fails if rubbish is read to its announced end. */
  @ParameterizedTest
  @ValueSource(ints = {0, 11, 4097, 65_535})
  void aConnectionWithALengthThatNoQueryHasIsClosed(int length) throws Exception {
    Socket socket = connect();
    socket.getOutputStream().write(new byte[] {(byte) (length >>> 8), (byte) length});
    assertThat(isOver(socket)).isTrue();
  }

  /** Fails if one container may have more than eight connections, or places are not given back. */
  @Test
  void connectionsOfOneContainerAreCounted() throws Exception {
    List<Socket> sockets = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      Socket socket = connect();
      socket.getOutputStream().write(framed(question(i, "web")));
      assertThat(readMessage(socket)).isNotEmpty();
      sockets.add(socket);
    }
    assertThat(isOver(connect())).as("the ninth").isTrue();
    sockets.get(0).close();
    await(
        () -> {
          try {
            Socket again = connect();
            again.getOutputStream().write(framed(question(9, "web")));
            return readMessage(again).length > 0;
          } catch (IOException e) {
            return false;
          }
        });
  }

  /** Fails if stopping leaves connections open, or stops other gateways. */
  @Test
  void stoppingEndsTheConnectionsOfThatGateway() throws Exception {
    InetAddress second = address("127.0.0.2");
    int secondPort = responder.listen(second, OptionalInt.empty());
    Socket here = connect();
    try (Socket there = new Socket(second, secondPort)) {
      there.setSoTimeout(5_000);
      there.getOutputStream().write(framed(question(1, "web")));
      assertThat(readMessage(there)).isNotEmpty();
      responder.stop(second);
      assertThat(isOver(there)).isTrue();
    }
    here.getOutputStream().write(framed(question(2, "web")));
    assertThat(readMessage(here)).isNotEmpty();
  }
}
