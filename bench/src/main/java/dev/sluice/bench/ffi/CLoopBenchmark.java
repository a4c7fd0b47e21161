package dev.sluice.bench.ffi;

import java.nio.ByteBuffer;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/** The calls made from C: what no binding can be faster than. One crossing per 10,000 calls. */
public class CLoopBenchmark extends CallBenchmark {
  private static final int TIMES = 10_000;

  private final JnrCalls libc = JnrCalls.load();
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
  private final long address = Pointer.wrap(Runtime.getSystemRuntime(), buffer).address();
  private int socket = -1;

  @Setup
  public void open() {
    socket = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER);
  }

  @TearDown
  public void close() {
    expect(0, -JniCalls.close(socket));
  }

  @Benchmark
  @OperationsPerInvocation(TIMES)
  public int abs() {
    return JniCalls.absLoop(value, TIMES);
  }

  @Benchmark
  @OperationsPerInvocation(TIMES)
  public int refuse_errnoRead() {
    return expect(
        EAGAIN * TIMES,
        (int) JniCalls.refuseLoop(socket, address, BUFFER_BYTES, MSG_DONTWAIT, TIMES));
  }

  @Benchmark
  @OperationsPerInvocation(TIMES)
  public int close_errnoRead() {
    return expect(EBADF * TIMES, JniCalls.closeLoop(badFd, TIMES));
  }

  @Benchmark
  @OperationsPerInvocation(TIMES)
  public int recv_errnoRead() {
    return expect(
        EAGAIN * TIMES,
        (int) JniCalls.recvLoop(socket, address, BUFFER_BYTES, MSG_DONTWAIT, TIMES));
  }
}
