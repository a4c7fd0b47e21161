package dev.sluice.bench.ffi;

import java.nio.ByteBuffer;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/** Hand-written JNI. The socket and the buffer's address come from jnr: only the call differs. */
public class JniCallBenchmark extends CallBenchmark {
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
  public int abs() {
    return JniCalls.abs(value);
  }

  @Benchmark
  public int refuse_address_errnoReturned() {
    return expect(
        EAGAIN, (int) -JniCalls.refuseAddress(socket, address, BUFFER_BYTES, MSG_DONTWAIT));
  }

  @Benchmark
  public int refuse_directByteBuffer_errnoReturned() {
    return expect(EAGAIN, (int) -JniCalls.refuseBuffer(socket, buffer, BUFFER_BYTES, MSG_DONTWAIT));
  }

  @Benchmark
  public int close_errnoReturned() {
    return expect(EBADF, -JniCalls.close(badFd));
  }

  @Benchmark
  public int recv_address_errnoReturned() {
    return expect(EAGAIN, (int) -JniCalls.recvAddress(socket, address, BUFFER_BYTES, MSG_DONTWAIT));
  }

  @Benchmark
  public int recv_directByteBuffer_errnoReturned() {
    return expect(EAGAIN, (int) -JniCalls.recvBuffer(socket, buffer, BUFFER_BYTES, MSG_DONTWAIT));
  }
}
