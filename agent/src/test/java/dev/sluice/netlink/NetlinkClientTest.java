package dev.sluice.netlink;

import static dev.sluice.netlink.Datagrams.answer;
import static dev.sluice.netlink.Datagrams.attribute;
import static dev.sluice.netlink.Datagrams.done;
import static dev.sluice.netlink.Datagrams.join;
import static dev.sluice.netlink.Datagrams.message;
import static dev.sluice.netlink.Datagrams.u32;
import static dev.sluice.netlink.LinuxNetlink.NLMSGERR_ATTR_MSG;
import static dev.sluice.netlink.LinuxNetlink.NLMSGERR_ATTR_OFFS;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_ACK;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_DUMP;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_DUMP_INTR;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_MULTI;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.sluice.ffi.Errno;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests and answers, with a kernel that says what the test wants it to. */
class NetlinkClientTest {
  private static final int THING = 0x40;

  private final FakeKernel kernel = new FakeKernel();
  private final NetlinkClient client = new NetlinkClient(kernel, Schema.INSTANCE);
  private final MessageWriter request = new MessageWriter();

  /** One message with a name and a number, as the schema below describes it. */
  private static final class Schema implements MessageSchema {
    static final Schema INSTANCE = new Schema();
    private static final AttributeSchema THINGS =
        AttributeSchema.builder().string(1, "THING_NAME").u32be(2, "THING_SIZE").build();

    @Override
    public String name(int messageType) {
      return messageType == THING ? "NEWTHING" : MessageSchema.UNKNOWN.name(messageType);
    }

    @Override
    public int headerBytes(int messageType) {
      return 4;
    }

    @Override
    public AttributeSchema attributes(int messageType) {
      return THINGS;
    }
  }

  /** Remembers the first payload byte of every message. */
  private static final class Collector implements MessageHandler {
    final List<Integer> seen = new ArrayList<>();

    @Override
    public void onMessage(MessageCursor message) {
      seen.add(message.headerU8(0));
    }
  }

  private MessageWriter one() {
    request.reset();
    return thing(0);
  }

  private MessageWriter thing(int flags) {
    return request
        .begin(THING, NLM_F_REQUEST | flags, 0)
        .u32(0)
        .attrString(1, "x")
        .attrU32be(2, 7)
        .end();
  }

  /** The sequence number the client gave the {@code index}th message of the request. */
  private int sequence(int index) {
    int at = 0;
    for (int i = 0; i < index; i++) {
      at += request.bytes().getInt(at);
    }
    return request.bytes().getInt(at + 8);
  }

  private int flags() {
    return request.bytes().getShort(6);
  }

  private byte[] item(int value, int flags) {
    return message(THING, flags, sequence(0), (byte) value, (byte) 0, (byte) 0, (byte) 0);
  }

  // ---- one request

  /** Fails if NLM_F_ACK is not added or the ACK is not taken for success. */
  @Test
  void executeReturnsWithTheAck() {
    kernel.onRequest(() -> kernel.says(answer(sequence(0), 0)));
    client.execute(one(), "make a thing");
    assertThat(flags()).isEqualTo(NLM_F_REQUEST | NLM_F_ACK);
    assertThat(kernel.operations()).containsExactly("make a thing");
    assertThat(kernel.unread()).isZero();
  }

  /** Fails if a reply that precedes the ACK does not reach the handler. */
  @Test
  void executeHandsOverTheReply() {
    kernel.onRequest(() -> kernel.says(item(5, 0)).says(answer(sequence(0), 0)));
    Collector collector = new Collector();
    client.execute(one(), "get a thing", collector);
    assertThat(collector.seen).containsExactly(5);
  }

  /** Fails if the errno is taken for something else or a missing extended ACK is made up. */
  @Test
  void executeThrowsWhatTheKernelRefused() {
    kernel.onRequest(() -> kernel.says(answer(sequence(0), Errno.EPERM)));
    var refusal =
        catchThrowableOfType(NetlinkException.class, () -> client.execute(one(), "make a thing"));
    assertThat(refusal).hasMessage("cannot make a thing: EPERM (operation not permitted)");
    assertThat(refusal.errno()).isEqualTo(Errno.EPERM);
    assertThat(refusal.kernelMessage()).isEmpty();
    assertThat(refusal.attributePath()).isEmpty();
    assertThat(refusal.messageIndex()).isEqualTo(NetlinkException.NO_INDEX);
  }

  /** Fails if the kernel's text or the offset of the attribute is lost. */
  @Test
  void executeThrowsTheKernelsWordsAndThePlace() {
    kernel.onRequest(
        () ->
            kernel.says(
                answer(
                    sequence(0),
                    Errno.EINVAL,
                    join(
                        attribute(
                            NLMSGERR_ATTR_MSG, "too large\0".getBytes(StandardCharsets.UTF_8)),
                        // Header 16, fixed header 4, name 4 + 2 + 2.
                        attribute(NLMSGERR_ATTR_OFFS, u32(28))))));
    assertThatThrownBy(() -> client.execute(one(), "make a thing"))
        .hasMessage(
            "cannot make a thing: EINVAL (invalid argument), the kernel says: too large, at"
                + " NEWTHING/THING_SIZE");
  }

  /** Fails if attributes behind a whole request, echoed without CAP_ACK, are not found. */
  @Test
  void findsTheKernelsWordsBehindAnUncappedRequest() {
    kernel.onRequest(
        () -> {
          byte[] echo = message(THING, 0, sequence(0), new byte[12]);
          byte[] text = attribute(NLMSGERR_ATTR_MSG, "no".getBytes(StandardCharsets.UTF_8));
          kernel.says(message(2, 0x200, sequence(0), join(u32(-Errno.EINVAL), echo, text)));
        });
    assertThatThrownBy(() -> client.execute(one(), "make a thing"))
        .hasMessage("cannot make a thing: EINVAL (invalid argument), the kernel says: no");
  }

  /** Fails if the answer to an earlier request, given up meanwhile, is taken for ours. */
  @Test
  void ignoresLateAnswers() {
    kernel.onRequest(
        () ->
            kernel
                .says(answer(sequence(0) - 1, Errno.EPERM))
                .says(answer(sequence(0) - 1, 0), answer(sequence(0), 0)));
    client.execute(one(), "make a thing");
    assertThat(kernel.unread()).isZero();
  }

  /** Fails if silence is taken for success or for failure. */
  @Test
  void noAnswerMeansUnknownOutcome() {
    kernel.onRequest(() -> {});
    assertThatThrownBy(() -> client.execute(one(), "make a thing"))
        .isInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("make a thing")
        .hasMessageContaining("no answer within 5000 ms");
  }

  /** Fails if ENOBUFS on the socket is taken for success or for failure. */
  @Test
  void lostAnswersMeanUnknownOutcome() {
    kernel.onRequest(() -> kernel.losesMessages().says(answer(sequence(0), 0)));
    assertThatThrownBy(() -> client.execute(one(), "make a thing"))
        .isInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("answers were lost");
  }

  /** Fails if a second message rides along without being waited for. */
  @Test
  void executeTakesOneMessageOnly() {
    one();
    thing(0);
    assertThatIllegalArgumentException().isThrownBy(() -> client.execute(request, "make things"));
  }

  // ---- dumps

  /** Fails if a chunk is dropped, or the dump ends before NLMSG_DONE. */
  @Test
  void dumpCollectsEveryChunk() {
    kernel.onRequest(
        () ->
            kernel
                .says(item(1, NLM_F_MULTI), item(2, NLM_F_MULTI))
                .says(item(3, NLM_F_MULTI))
                .says(done(sequence(0), NLM_F_MULTI, 0)));
    Collector collector = client.dump(one(), "list things", Collector::new);
    assertThat(collector.seen).containsExactly(1, 2, 3);
    assertThat(flags()).isEqualTo(NLM_F_REQUEST | NLM_F_DUMP);
  }

  /** Fails if NLM_F_DUMP_INTR is overlooked, or what was read before counts. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anInterruptedDumpIsRepeatedFromNothing(boolean onlyTheEndSaysSo) {
    kernel
        .onRequest(
            () ->
                kernel
                    .says(item(1, NLM_F_MULTI | (onlyTheEndSaysSo ? 0 : NLM_F_DUMP_INTR)))
                    .says(done(sequence(0), onlyTheEndSaysSo ? NLM_F_DUMP_INTR : 0, 0)))
        .onRequest(() -> kernel.says(item(2, NLM_F_MULTI), done(sequence(0), 0, 0)));
    Collector collector = client.dump(one(), "list things", Collector::new);
    assertThat(collector.seen).containsExactly(2);
  }

  /** Fails if the client never gives up, or gives up earlier or later. */
  @Test
  void tenInterruptionsAreTooMany() {
    for (int i = 0; i < 10; i++) {
      kernel.onRequest(() -> kernel.says(done(sequence(0), NLM_F_DUMP_INTR, 0)));
    }
    assertThatThrownBy(() -> client.dump(one(), "list things", Collector::new))
        .isInstanceOf(DumpInterruptedException.class)
        .hasMessageContaining("list things")
        .hasMessageContaining("10");
    assertThat(kernel.operations()).hasSize(10);
  }

  /** Fails if the result inside NLMSG_DONE is not looked at. */
  @Test
  void aDumpCanFailAtItsEnd() {
    kernel.onRequest(
        () -> kernel.says(item(1, NLM_F_MULTI)).says(done(sequence(0), 0, Errno.EINVAL)));
    assertThatThrownBy(() -> client.dump(one(), "list things", Collector::new))
        .isInstanceOf(NetlinkException.class)
        .hasMessage("cannot list things: EINVAL (invalid argument)");
  }

  /** Fails if a refused dump waits for an end that never comes. */
  @Test
  void aDumpCanBeRefused() {
    kernel.onRequest(() -> kernel.says(answer(sequence(0), Errno.EOPNOTSUPP)));
    assertThatThrownBy(() -> client.dump(one(), "list things", Collector::new))
        .isInstanceOf(NetlinkException.class)
        .hasMessageContaining("EOPNOTSUPP");
  }

  /**
   * Fails if a dump is left half read when its reader fails: the kernel would answer the next one
   * on this socket with EBUSY.
   */
  @Test
  void aDumpIsReadToItsEndWhenItsReaderFails() {
    kernel.onRequest(
        () ->
            kernel
                .says(item(1, NLM_F_MULTI), item(2, NLM_F_MULTI))
                .says(done(sequence(0), NLM_F_MULTI, 0)));
    List<Integer> seen = new ArrayList<>();
    assertThatThrownBy(
            () ->
                client.dumpOnce(
                    one(),
                    "list things",
                    message -> {
                      seen.add(message.headerU8(0));
                      throw new MalformedMessageException("no such thing");
                    }))
        .isInstanceOf(MalformedMessageException.class)
        .hasMessage("no such thing");
    assertThat(seen).containsExactly(1);
    assertThat(kernel.unread()).isZero();
  }

  // ---- batches

  private MessageWriter batch() {
    request.reset();
    thing(0);
    thing(0);
    return thing(NLM_F_ACK);
  }

  /** Fails if messages of a batch share a sequence number, or the last ACK is not waited for. */
  @Test
  void aBatchReturnsWithItsLastAck() {
    kernel.onRequest(() -> kernel.says(answer(sequence(2), 0)));
    client.transact(batch(), "make three things");
    assertThat(sequence(1)).isEqualTo(sequence(0) + 1);
    assertThat(sequence(2)).isEqualTo(sequence(0) + 2);
  }

  /** Fails if an ACK 0 of the last message hides the failure of an earlier one. */
  @Test
  void aBatchFailsWithItsFirstFailureAlthoughTheLastIsAcknowledged() {
    kernel.onRequest(
        () ->
            kernel
                .says(answer(sequence(1), Errno.EEXIST, attribute(NLMSGERR_ATTR_OFFS, u32(20))))
                .says(answer(sequence(2), 0)));
    var failure =
        catchThrowableOfType(
            NetlinkException.class, () -> client.transact(batch(), "make three things"));
    assertThat(failure)
        .hasMessage("cannot make three things: EEXIST (file exists), at NEWTHING/THING_NAME");
    assertThat(failure.messageIndex()).isEqualTo(1);
  }

  /** Fails if a later failure replaces the first, which is the cause. */
  @Test
  void theFirstOfSeveralFailuresCounts() {
    kernel.onRequest(
        () ->
            kernel
                .says(answer(sequence(0), Errno.ENOENT))
                .says(answer(sequence(1), Errno.EINVAL))
                .says(answer(sequence(2), Errno.EINVAL)));
    var failure =
        catchThrowableOfType(
            NetlinkException.class, () -> client.transact(batch(), "make three things"));
    assertThat(failure.errno()).isEqualTo(Errno.ENOENT);
    assertThat(failure.messageIndex()).isZero();
  }

  /** Fails if the commit's failure, reported on message 0 and without any ACK, is not noticed. */
  @Test
  void aFailedCommitIsReportedOnTheFirstMessage() {
    kernel.onRequest(() -> kernel.says(answer(sequence(0), Errno.ERESTART)));
    var failure =
        catchThrowableOfType(
            NetlinkException.class, () -> client.transact(batch(), "make three things"));
    assertThat(failure.errno()).isEqualTo(Errno.ERESTART);
    assertThat(failure.messageIndex()).isZero();
  }

  /** Fails if lost answers are taken for success or for failure: the batch may be committed. */
  @Test
  void lostAnswersOfABatchMeanUnknownOutcome() {
    kernel.onRequest(() -> kernel.losesMessages());
    assertThatThrownBy(() -> client.transact(batch(), "make three things"))
        .isInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("make three things");
  }

  /** Fails if a known failure is reported as unknown because further answers were lost. */
  @Test
  void aFailureIsKnownEvenIfFurtherAnswersAreLost() {
    kernel.onRequest(() -> kernel.says(answer(sequence(1), Errno.EEXIST)).losesMessages());
    assertThatThrownBy(() -> client.transact(batch(), "make three things"))
        .isInstanceOf(NetlinkException.class)
        .hasMessageContaining("EEXIST");
  }

  /** Fails if silence after a batch is taken for success. */
  @Test
  void noAnswerToABatchMeansUnknownOutcome() {
    kernel.onRequest(() -> {});
    assertThatThrownBy(() -> client.transact(batch(), "make three things"))
        .isInstanceOf(OutcomeUnknownException.class);
  }

  /** Fails if answers to an earlier batch are counted as this one's. */
  @Test
  void ignoresLateAnswersToAnEarlierBatch() {
    kernel.onRequest(
        () ->
            kernel
                .says(answer(sequence(0) - 1, Errno.EPERM))
                .says(answer(sequence(2) + 1, Errno.EPERM))
                .says(answer(sequence(2), 0)));
    client.transact(batch(), "make three things");
  }

  /** Fails if what NLM_F_ECHO asked for does not reach the handler. */
  @Test
  void echoesOfABatchAreHandedOver() {
    kernel.onRequest(() -> kernel.says(item(9, 0)).says(answer(sequence(2), 0)));
    Collector echoes = new Collector();
    client.transact(batch(), "make three things", echoes);
    assertThat(echoes.seen).containsExactly(9);
  }

  /** Fails if a batch is sent whose last failures nobody would hear of. */
  @Test
  void refusesABatchWhoseEndIsNotAcknowledged() {
    request.reset();
    thing(0);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> client.transact(request, "make a thing"))
        .withMessageStartingWith("no message of the batch asks for an ACK");
    request.reset();
    thing(NLM_F_ACK);
    thing(0);
    thing(0);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> client.transact(request, "make three things"))
        .withMessageStartingWith("no ACK is asked for the last 2 messages");
    assertThat(kernel.operations()).isEmpty();
  }

  /** Fails if closing the client leaves the socket open. */
  @Test
  void closesItsTransport() {
    client.close();
    assertThat(kernel.closed()).isTrue();
  }
}
