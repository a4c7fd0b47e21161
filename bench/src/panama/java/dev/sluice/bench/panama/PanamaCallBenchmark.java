package dev.sluice.bench.panama;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.sluice.bench.ffi.CallBenchmark;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Path;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * {@code java.lang.foreign}: plain, {@code critical} (no thread-state transition: the thread holds
 * up every safepoint until C returns), and with errno captured. Handles are static finals, as the
 * compiler needs them to inline the call.
 */
public class PanamaCallBenchmark extends CallBenchmark {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final SymbolLookup SYMBOLS = symbols();
  private static final Linker.Option CAPTURE_ERRNO = Linker.Option.captureCallState("errno");
  private static final Linker.Option CRITICAL = Linker.Option.critical(false);
  private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      CALL_STATE.varHandle(PathElement.groupElement("errno")).withInvokeExactBehavior();

  private static final FunctionDescriptor INT_OF_INT = FunctionDescriptor.of(JAVA_INT, JAVA_INT);
  private static final FunctionDescriptor RECV_SEGMENT =
      FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
  private static final FunctionDescriptor RECV_ADDRESS =
      FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);

  private static final MethodHandle ABS = bind("abs", INT_OF_INT);
  private static final MethodHandle ABS_CRITICAL = bind("abs", INT_OF_INT, CRITICAL);
  private static final MethodHandle CLOSE = bind("close", INT_OF_INT);
  private static final MethodHandle CLOSE_ERRNO = bind("close", INT_OF_INT, CAPTURE_ERRNO);
  private static final MethodHandle CLOSE_ERRNO_CRITICAL =
      bind("close", INT_OF_INT, CAPTURE_ERRNO, CRITICAL);
  private static final MethodHandle RECV_SEGMENT_ERRNO = bind("recv", RECV_SEGMENT, CAPTURE_ERRNO);
  private static final MethodHandle RECV_ADDRESS_ERRNO = bind("recv", RECV_ADDRESS, CAPTURE_ERRNO);
  private static final MethodHandle RECV_ADDRESS_ERRNO_CRITICAL =
      bind("recv", RECV_ADDRESS, CAPTURE_ERRNO, CRITICAL);
  private static final MethodHandle REFUSE_SEGMENT_ERRNO =
      bind("sluice_bench_refuse", RECV_SEGMENT, CAPTURE_ERRNO);
  private static final MethodHandle REFUSE_ADDRESS_ERRNO =
      bind("sluice_bench_refuse", RECV_ADDRESS, CAPTURE_ERRNO);
  private static final MethodHandle REFUSE_ADDRESS_ERRNO_CRITICAL =
      bind("sluice_bench_refuse", RECV_ADDRESS, CAPTURE_ERRNO, CRITICAL);
  private static final MethodHandle SOCKET =
      bind("socket", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));

  private final MemorySegment callState = Arena.global().allocate(CALL_STATE);
  private final MemorySegment buffer = Arena.global().allocate(BUFFER_BYTES, 8);
  private final long address = buffer.address();
  private int socket = -1;

  /** libc, and the library that bench/native builds. */
  @SuppressWarnings("restricted") // the very thing measured
  private static SymbolLookup symbols() {
    Path library = Path.of(System.getProperty("sluice.bench.native.dir"), "libsluice_bench.so");
    return SymbolLookup.libraryLookup(library.toAbsolutePath(), Arena.global())
        .or(LINKER.defaultLookup());
  }

  @SuppressWarnings("restricted") // the very thing measured
  private static MethodHandle bind(
      String name, FunctionDescriptor descriptor, Linker.Option... options) {
    return LINKER.downcallHandle(SYMBOLS.find(name).orElseThrow(), descriptor, options);
  }

  private int errno() {
    return (int) ERRNO.get(callState, 0L);
  }

  @Setup
  public void open() throws Throwable {
    socket = (int) SOCKET.invokeExact(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER);
  }

  @TearDown
  public void close() throws Throwable {
    int unused = (int) CLOSE.invokeExact(socket);
  }

  @Benchmark
  public int abs_plain() throws Throwable {
    return (int) ABS.invokeExact(value);
  }

  @Benchmark
  public int abs_critical() throws Throwable {
    return (int) ABS_CRITICAL.invokeExact(value);
  }

  @Benchmark
  public int refuse_segment_errnoCapturedAndRead() throws Throwable {
    long unused =
        (long)
            REFUSE_SEGMENT_ERRNO.invokeExact(
                callState, socket, buffer, (long) BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, errno());
  }

  @Benchmark
  public int refuse_address_errnoCapturedAndRead() throws Throwable {
    long unused =
        (long)
            REFUSE_ADDRESS_ERRNO.invokeExact(
                callState, socket, address, (long) BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, errno());
  }

  @Benchmark
  public int refuse_critical_address_errnoCapturedAndRead() throws Throwable {
    long unused =
        (long)
            REFUSE_ADDRESS_ERRNO_CRITICAL.invokeExact(
                callState, socket, address, (long) BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, errno());
  }

  @Benchmark
  public int close_withoutErrno() throws Throwable {
    return (int) CLOSE.invokeExact(badFd);
  }

  @Benchmark
  public int close_errnoCapturedAndRead() throws Throwable {
    int unused = (int) CLOSE_ERRNO.invokeExact(callState, badFd);
    return expect(EBADF, errno());
  }

  @Benchmark
  public int close_critical_errnoCapturedAndRead() throws Throwable {
    int unused = (int) CLOSE_ERRNO_CRITICAL.invokeExact(callState, badFd);
    return expect(EBADF, errno());
  }

  @Benchmark
  public int recv_segment_errnoCapturedAndRead() throws Throwable {
    long unused =
        (long)
            RECV_SEGMENT_ERRNO.invokeExact(
                callState, socket, buffer, (long) BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, errno());
  }

  @Benchmark
  public int recv_address_errnoCapturedAndRead() throws Throwable {
    long unused =
        (long)
            RECV_ADDRESS_ERRNO.invokeExact(
                callState, socket, address, (long) BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, errno());
  }

  @Benchmark
  public int recv_critical_address_errnoCapturedAndRead() throws Throwable {
    long unused =
        (long)
            RECV_ADDRESS_ERRNO_CRITICAL.invokeExact(
                callState, socket, address, (long) BUFFER_BYTES, MSG_DONTWAIT);
    return expect(EAGAIN, errno());
  }
}
