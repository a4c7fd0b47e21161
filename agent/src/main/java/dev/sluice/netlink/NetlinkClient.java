package dev.sluice.netlink;

import static dev.sluice.netlink.LinuxNetlink.NLMSG_DONE;
import static dev.sluice.netlink.LinuxNetlink.NLMSG_ERROR;
import static dev.sluice.netlink.LinuxNetlink.NLMSG_NOOP;
import static dev.sluice.netlink.LinuxNetlink.NLMSG_OVERRUN;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_ACK;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_ACK_TLVS;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_CAPPED;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_DUMP;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_DUMP_INTR;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_MULTI;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.SystemCallException;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Requests and their answers over one socket. Requests are serialised by a lock: a netlink socket
 * has one stream of answers, and two interleaved dumps could not be told apart by a caller that
 * waits for its own.
 */
public final class NetlinkClient implements AutoCloseable {
  /**
   * The kernel never sends a dump chunk or an ACK larger than this (NLMSG_GOODSIZE,
   * max_recvmsg_len).
   */
  private static final int RECEIVE_BYTES = 64 << 10;

  /**
   * Answers are queued before sendto returns; the wait only matters for kernels that answer from a
   * work queue.
   */
  private static final int ANSWER_TIMEOUT_MILLIS = 5_000;

  private static final int DUMP_ATTEMPTS = 10;

  /** Of these, how many may lose an answer: asking again changes nothing. */
  private static final int LOST_DUMPS = 3;

  private final NetlinkTransport transport;
  private final MessageSchema schema;
  private final ReentrantLock oneRequestAtATime = new ReentrantLock();
  private final NativeBuffer receiveBuffer = NativeBuffer.allocate(RECEIVE_BYTES);
  private final MessageCursor cursor = new MessageCursor(receiveBuffer.bytes(), 0, 0);
  private int lastSequence = (int) (System.nanoTime() >>> 10);

  public NetlinkClient(NetlinkTransport transport, MessageSchema schema) {
    this.transport = transport;
    this.schema = schema;
  }

  /** A client on a socket of {@code family} in the calling thread's namespace. */
  public static NetlinkClient open(int family, MessageSchema schema) {
    return new NetlinkClient(NetlinkSocket.open(family), schema);
  }

  /** The port id the kernel knows this client by; a table's owner is named by it. */
  public int portId() {
    return transport.portId();
  }

  /**
   * Sends one request and waits for its ACK.
   *
   * @param request one message; NLM_F_REQUEST is the caller's, NLM_F_ACK is added here
   * @param operation what it asks for, as it reads after "cannot"
   * @throws NetlinkException if the kernel refuses
   * @throws OutcomeUnknownException if the answer is lost
   */
  public void execute(MessageWriter request, String operation) {
    execute(request, operation, IGNORE);
  }

  /**
   * As {@link #execute(MessageWriter, String)}; messages that come before the ACK (a GET's reply)
   * go to the handler.
   */
  public void execute(MessageWriter request, String operation, MessageHandler handler) {
    oneRequestAtATime.lock();
    try {
      request.addFlags(0, NLM_F_ACK);
      int sequence = prepare(request);
      transport.send(request.address(), request.length(), operation);
      while (true) {
        receiveDatagram(operation, ANSWER_TIMEOUT_MILLIS);
        while (cursor.next()) {
          if (cursor.sequence() != sequence) {
            continue; // the late answer to a request that was given up
          }
          switch (cursor.type()) {
            case NLMSG_ERROR -> {
              int errno = -cursor.headerU32(0);
              if (errno == 0) {
                return;
              }
              throw failure(request, 0, NetlinkException.NO_INDEX, errno, operation);
            }
            case NLMSG_NOOP, NLMSG_DONE -> {}
            case NLMSG_OVERRUN -> throw new OutcomeUnknownException(operation, "NLMSG_OVERRUN");
            default -> handler.onMessage(cursor);
          }
        }
      }
    } finally {
      oneRequestAtATime.unlock();
    }
  }

  /**
   * Sends independent requests as one datagram and waits for the answer to each: one that fails
   * does not keep the others from taking effect.
   *
   * @param requests at most as many as their ACKs fit into the receive buffer (some 160 by
   *     default); NLM_F_REQUEST is the caller's, NLM_F_ACK is added here
   * @param operation what they ask for, as it reads after "cannot"
   * @return one number for each request, in order: 0, or the positive errno it was refused with
   * @throws OutcomeUnknownException if answers are lost
   */
  public int[] executeEach(MessageWriter requests, String operation) {
    oneRequestAtATime.lock();
    try {
      int first = lastSequence + 1;
      for (int at = 0;
          at < requests.length();
          at += HeaderLayout.align(requests.bytes().getInt(at))) {
        requests.addFlags(at, NLM_F_ACK);
      }
      prepareBatch(requests);
      transport.send(requests.address(), requests.length(), operation);
      int[] errnos = new int[requests.messages()];
      int unanswered = errnos.length;
      while (unanswered > 0) {
        receiveDatagram(operation, ANSWER_TIMEOUT_MILLIS);
        while (cursor.next()) {
          int index = cursor.sequence() - first;
          if (index < 0 || index >= errnos.length) {
            continue; // the late answer to a request that was given up
          }
          if (cursor.type() == NLMSG_ERROR) {
            errnos[index] = -cursor.headerU32(0);
            unanswered--;
          }
        }
      }
      return errnos;
    } finally {
      oneRequestAtATime.unlock();
    }
  }

  /**
   * Dumps a table. If the kernel says that it changed meanwhile, what was collected is thrown away
   * and the dump is repeated, up to ten times; up to three times where an answer was lost.
   *
   * @param request one GET message; NLM_F_DUMP is added here
   * @param attempt makes the collector of one attempt: it receives the messages, and the last one's
   *     result counts
   * @throws DumpInterruptedException if every attempt was interrupted
   * @throws OutcomeUnknownException if answers were lost each time
   */
  public <T extends MessageHandler> T dump(
      MessageWriter request, String operation, Supplier<T> attempt) {
    int lost = 0;
    for (int i = 0; i < DUMP_ATTEMPTS; i++) {
      T collector = attempt.get();
      try {
        if (dumpOnce(request, operation, collector)) {
          return collector;
        }
      } catch (OutcomeUnknownException e) {
        if (++lost == LOST_DUMPS) {
          throw e;
        }
      }
    }
    throw new DumpInterruptedException(operation, DUMP_ATTEMPTS);
  }

  /**
   * One attempt of {@link #dump}; false if the kernel flagged it as inconsistent.
   *
   * @throws OutcomeUnknownException if answers were lost; the rest of them has been discarded
   */
  public boolean dumpOnce(MessageWriter request, String operation, MessageHandler handler) {
    oneRequestAtATime.lock();
    try {
      request.addFlags(0, NLM_F_DUMP);
      int sequence = prepare(request);
      transport.send(request.address(), request.length(), operation);
      boolean consistent = true;
      RuntimeException failure = null;
      while (true) {
        receiveDatagram(operation, ANSWER_TIMEOUT_MILLIS);
        while (cursor.next()) {
          if (cursor.sequence() != sequence) {
            continue;
          }
          if ((cursor.flags() & NLM_F_DUMP_INTR) != 0) {
            consistent = false;
          }
          switch (cursor.type()) {
            case NLMSG_DONE -> {
              // The payload is the dump's own result, 0 or a negative errno.
              int errno = cursor.payloadLength() >= 4 ? -cursor.headerU32(0) : 0;
              if (errno != 0) {
                throw failure(request, 0, NetlinkException.NO_INDEX, errno, operation);
              }
              if (failure != null) {
                throw failure;
              }
              return consistent;
            }
            case NLMSG_ERROR -> {
              int errno = -cursor.headerU32(0);
              if (errno != 0) {
                throw failure(request, 0, NetlinkException.NO_INDEX, errno, operation);
              }
            }
            case NLMSG_NOOP -> {}
            case NLMSG_OVERRUN -> throw new OutcomeUnknownException(operation, "NLMSG_OVERRUN");
            default -> {
              // The rest of the dump is read even so: while one is unfinished, the kernel refuses
              // the next on this socket with EBUSY.
              if (failure == null) {
                failure = deliver(handler);
              }
              if ((cursor.flags() & NLM_F_MULTI) == 0) {
                if (failure != null) {
                  throw failure;
                }
                return consistent;
              }
            }
          }
        }
      }
    } finally {
      oneRequestAtATime.unlock();
    }
  }

  /**
   * Sends a batch of messages as one datagram and waits for the ACK of the last message that asks
   * for one.
   *
   * <p>An ACK of a batch does not say that it was committed: an earlier message may have failed,
   * and the error of the commit itself is reported against the first message. Therefore every error
   * that precedes the ACK is collected; if there is any, the first one is thrown.
   *
   * @param batch the messages; the caller sets NLM_F_ACK on the last one, or on the last but the
   *     batch's end. Their sequence numbers are assigned here
   * @throws IllegalArgumentException if more than one message follows the last ACK: its failure
   *     would not be noticed
   * @throws NetlinkException if any message or the commit failed; nothing was changed
   * @throws OutcomeUnknownException if answers were lost; read back what happened
   */
  public void transact(MessageWriter batch, String operation) {
    transact(batch, operation, IGNORE);
  }

  /**
   * As {@link #transact(MessageWriter, String)}; echoed notifications (NLM_F_ECHO) go to the
   * handler.
   */
  public void transact(MessageWriter batch, String operation, MessageHandler echoes) {
    oneRequestAtATime.lock();
    try {
      int first = lastSequence + 1;
      int lastAcknowledged = prepareBatch(batch);
      transport.send(batch.address(), batch.length(), operation);
      NetlinkException failure = null;
      while (true) {
        try {
          receiveDatagram(operation, failure == null ? ANSWER_TIMEOUT_MILLIS : 0);
        } catch (OutcomeUnknownException e) {
          // A batch that fails early is not acknowledged to its end; everything it had to say is
          // read, or lost, which changes nothing: one failed message is a failed batch.
          throw failure == null ? e : failure;
        }
        while (cursor.next()) {
          int index = cursor.sequence() - first;
          if (index < 0 || index >= batch.messages()) {
            continue; // the late answer to a request that was given up
          }
          if (cursor.type() != NLMSG_ERROR) {
            echoes.onMessage(cursor);
            continue;
          }
          int errno = -cursor.headerU32(0);
          if (errno != 0 && failure == null) {
            failure = failure(batch, offsetOf(batch, index), index, errno, operation);
          }
          if (cursor.sequence() == lastAcknowledged && errno == 0) {
            if (failure != null) {
              throw failure;
            }
            return;
          }
        }
      }
    } finally {
      oneRequestAtATime.unlock();
    }
  }

  /** Closes the socket once the request under way, if any, is done. */
  @Override
  public void close() {
    oneRequestAtATime.lock();
    try {
      transport.close();
    } finally {
      oneRequestAtATime.unlock();
    }
  }

  private @Nullable RuntimeException deliver(MessageHandler handler) {
    try {
      handler.onMessage(cursor);
      return null;
    } catch (RuntimeException e) {
      return e;
    }
  }

  private int prepare(MessageWriter request) {
    if (request.messages() != 1) {
      throw new IllegalArgumentException("expected one message, got " + request);
    }
    int sequence = ++lastSequence;
    request.setSequence(0, sequence);
    trace(true, request.bytes(), request.length());
    return sequence;
  }

  /** Numbers the messages and returns the sequence of the last one with NLM_F_ACK. */
  private int prepareBatch(MessageWriter batch) {
    int acknowledged = 0;
    boolean any = false;
    ByteBuffer bytes = batch.bytes();
    for (int at = 0; at < batch.length(); at += HeaderLayout.align(bytes.getInt(at))) {
      batch.setSequence(at, ++lastSequence);
      if ((bytes.getShort(at + HeaderLayout.FLAGS_OFFSET) & NLM_F_ACK) != 0) {
        acknowledged = lastSequence;
        any = true;
      }
    }
    if (!any) {
      throw new IllegalArgumentException("no message of the batch asks for an ACK: " + batch);
    }
    if (lastSequence - acknowledged > 1) {
      throw new IllegalArgumentException(
          "no ACK is asked for the last "
              + (lastSequence - acknowledged)
              + " messages of the batch: "
              + batch);
    }
    trace(true, bytes, batch.length());
    return acknowledged;
  }

  private static int offsetOf(MessageWriter batch, int index) {
    int at = 0;
    for (int i = 0; i < index; i++) {
      at += HeaderLayout.align(batch.bytes().getInt(at));
    }
    return at;
  }

  private void receiveDatagram(String operation, int timeoutMillis) {
    int length;
    try {
      length = transport.receive(receiveBuffer, timeoutMillis);
    } catch (SystemCallException e) {
      // The request is with the kernel: what failed is only our looking at its answer.
      throw lost(operation, String.valueOf(e.getMessage()));
    }
    if (length == NetlinkTransport.NOTHING) {
      throw new OutcomeUnknownException(operation, "no answer within " + timeoutMillis + " ms");
    }
    if (length == NetlinkTransport.OVERRUN) {
      throw lost(operation, "answers were lost, the receive buffer overflowed");
    }
    trace(false, receiveBuffer.bytes(), length);
    cursor.wrap(receiveBuffer.bytes(), 0, length);
  }

  /**
   * Reads until nothing is left. Reading makes the kernel go on with a dump: an unfinished one
   * would make it refuse the next on this socket (EBUSY).
   */
  private OutcomeUnknownException lost(String operation, String reason) {
    OutcomeUnknownException lost = new OutcomeUnknownException(operation, reason);
    try {
      int length;
      do {
        length = transport.receive(receiveBuffer, 0);
      } while (length != NetlinkTransport.NOTHING);
    } catch (SystemCallException e) {
      // The next request skips what is left: it knows its answers by their number.
      lost.addSuppressed(e);
    }
    return lost;
  }

  /** Builds the exception from the error message under the cursor and the request it answers. */
  private NetlinkException failure(
      MessageWriter request, int messageOffset, int index, int errno, String operation) {
    String text = null;
    int errorOffset = -1;
    if ((cursor.flags() & NLM_F_ACK_TLVS) != 0) {
      AttributeCursor attributes = extendedAck();
      while (attributes.next()) {
        switch (attributes.type()) {
          case LinuxNetlink.NLMSGERR_ATTR_MSG -> text = attributes.string();
          case LinuxNetlink.NLMSGERR_ATTR_OFFS -> errorOffset = attributes.u32();
          default -> {}
        }
      }
    }
    @Nullable String path =
        errorOffset < 0
            ? null
            : AttributePath.resolve(request.bytes(), messageOffset, errorOffset, schema);
    return new NetlinkException(operation, errno, text, path, index);
  }

  /**
   * The attributes behind struct nlmsgerr: directly behind the request's header if the kernel
   * capped it there.
   */
  private AttributeCursor extendedAck() {
    int header = HeaderLayout.ERROR_BYTES + HeaderLayout.HEADER_BYTES;
    if (cursor.type() == NLMSG_DONE) {
      header = HeaderLayout.ERROR_BYTES;
    } else if ((cursor.flags() & NLM_F_CAPPED) == 0) {
      header =
          HeaderLayout.ERROR_BYTES + HeaderLayout.align(cursor.headerU32(HeaderLayout.ERROR_BYTES));
    }
    return cursor.attributes(header);
  }

  private void trace(boolean sent, ByteBuffer bytes, int length) {
    if (WireLog.enabled()) {
      WireLog.log(sent, transport.portId(), bytes, length, schema);
    }
  }

  private static final MessageHandler IGNORE = message -> {};
}
