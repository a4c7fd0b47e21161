package dev.sluice.bench.ffi;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** How every call is measured: nanoseconds per call, one thread, the same iterations. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 250, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 3, time = 200, timeUnit = TimeUnit.MILLISECONDS)
public abstract class CallBenchmark {
  /** {@code AF_NETLINK}, linux/socket.h. */
  public static final int AF_NETLINK = 16;

  /** {@code SOCK_RAW | SOCK_CLOEXEC}. */
  public static final int SOCK_RAW_CLOEXEC = 3 | 0x80000;

  /** {@code NETLINK_NETFILTER}, linux/netlink.h. */
  public static final int NETLINK_NETFILTER = 12;

  /** {@code MSG_DONTWAIT}, linux/socket.h. */
  public static final int MSG_DONTWAIT = 0x40;

  /** {@code EBADF} and {@code EAGAIN}: the only outcomes that count as the call having worked. */
  public static final int EBADF = 9;

  public static final int EAGAIN = 11;

  /** Bytes offered to recv; nothing is ever received. */
  public static final int BUFFER_BYTES = 8192;

  /** An argument the compiler cannot take for a constant. */
  public int value = -7;

  /** The descriptor that close refuses. */
  public int badFd = -1;

  /** Returns errno when it is the expected one, so that a broken binding is not a fast one. */
  public static int expect(int expected, int errno) {
    if (errno != expected) {
      throw new IllegalStateException("expected errno " + expected + ", got " + errno);
    }
    return errno;
  }
}
