package dev.sluice.bench.ffi;

import java.nio.ByteBuffer;
import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.annotations.IgnoreError;
import jnr.ffi.types.size_t;
import jnr.ffi.types.ssize_t;

/**
 * The four calls through jnr-ffi. By default jnr saves errno after every call; {@code IgnoreError}
 * leaves that out. Public because jnr implements it in a class of its own.
 */
public interface JnrCalls {
  /** Binds libc and the benchmark's library, with errno saved by default. */
  static JnrCalls load() {
    return LibraryLoader.create(JnrCalls.class).library("c").load(JniCalls.library());
  }

  int abs(int value);

  int close(int fd);

  int socket(int domain, int type, int protocol);

  @ssize_t
  long recv(int fd, long address, @size_t long length, int flags);

  @ssize_t
  long recv(int fd, ByteBuffer buffer, @size_t long length, int flags);

  @ssize_t
  long recv(int fd, Pointer buffer, @size_t long length, int flags);

  @ssize_t
  long sluice_bench_refuse(int fd, long address, @size_t long length, int flags);

  @ssize_t
  long sluice_bench_refuse(int fd, ByteBuffer buffer, @size_t long length, int flags);

  @ssize_t
  long sluice_bench_refuse(int fd, Pointer buffer, @size_t long length, int flags);

  /** The same libraries with errno left alone. */
  interface WithoutErrno {
    /** Binds the same without errno being saved. */
    static WithoutErrno load() {
      return LibraryLoader.create(WithoutErrno.class).library("c").load(JniCalls.library());
    }

    @IgnoreError
    int abs(int value);

    @IgnoreError
    int close(int fd);

    @IgnoreError
    @ssize_t
    long sluice_bench_refuse(int fd, long address, @size_t long length, int flags);

    @IgnoreError
    @ssize_t
    long recv(int fd, long address, @size_t long length, int flags);
  }
}
