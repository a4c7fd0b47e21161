package dev.sluice.bench.ffi;

import java.nio.ByteBuffer;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/** jnr-ffi: with and without errno, and the three ways to hand it memory. */
public class JnrCallBenchmark extends CallBenchmark {
  private final JnrCalls libc = JnrCalls.load();
  private final JnrCalls.WithoutErrno withoutErrno = JnrCalls.WithoutErrno.load();
  private final Runtime runtime = Runtime.getRuntime(libc);
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
  private final Pointer pointer = Pointer.wrap(runtime, buffer);
  private final long address = pointer.address();
  private int socket = -1;

  @Setup
  public void open() {
    socket = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER);
    if (socket < 0) {
      throw new IllegalStateException("socket: errno " + runtime.getLastError());
    }
  }

  @TearDown
  public void close() {
    int unused = withoutErrno.close(socket);
  }

  @Benchmark
  public int abs_withoutErrno() {
    return withoutErrno.abs(value);
  }

  @Benchmark
  public int abs_errnoSaved() {
    return libc.abs(value);
  }

  @Benchmark
  public long refuse_address_withoutErrno() {
    return withoutErrno.sluice_bench_refuse(socket, address, BUFFER_BYTES, MSG_DONTWAIT);
  }

  @Benchmark
  public int refuse_address_errnoSavedAndRead() {
    long unused = libc.sluice_bench_refuse(socket, address, BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, runtime.getLastError());
  }

  @Benchmark
  public int refuse_directByteBuffer_errnoSavedAndRead() {
    long unused = libc.sluice_bench_refuse(socket, buffer, BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, runtime.getLastError());
  }

  @Benchmark
  public int refuse_pointer_errnoSavedAndRead() {
    long unused = libc.sluice_bench_refuse(socket, pointer, BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, runtime.getLastError());
  }

  @Benchmark
  public int close_withoutErrno() {
    return withoutErrno.close(badFd);
  }

  @Benchmark
  public int close_errnoSavedAndRead() {
    int unused = libc.close(badFd);
    return expect(EBADF, runtime.getLastError());
  }

  @Benchmark
  public long recv_address_withoutErrno() {
    return withoutErrno.recv(socket, address, BUFFER_BYTES, MSG_DONTWAIT);
  }

  @Benchmark
  public int recv_address_errnoSavedAndRead() {
    long unused = libc.recv(socket, address, BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, runtime.getLastError());
  }

  @Benchmark
  public int recv_directByteBuffer_errnoSavedAndRead() {
    long unused = libc.recv(socket, buffer, BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, runtime.getLastError());
  }

  @Benchmark
  public int recv_pointer_errnoSavedAndRead() {
    long unused = libc.recv(socket, pointer, BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, runtime.getLastError());
  }
}
