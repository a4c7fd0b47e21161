package dev.sluice.bench.ffi;

import java.nio.ByteBuffer;
import java.nio.file.Path;

/** The four calls, and loops of them in C, bound by hand: bench/native/calls_jni.c. */
final class JniCalls {
  static {
    System.load(library());
  }

  /** The absolute path of the library, which the other bindings open too. */
  static String library() {
    return Path.of(System.getProperty("sluice.bench.native.dir", "native/build"))
        .resolve("libsluice_bench.so")
        .toAbsolutePath()
        .toString();
  }

  private JniCalls() {}

  static native int abs(int value);

  /** Returns 0 or -errno. */
  static native int close(int fd);

  /** Returns the bytes received or -errno. */
  static native long recvAddress(int fd, long address, long length, int flags);

  /** Returns the bytes received or -errno. */
  static native long recvBuffer(int fd, ByteBuffer buffer, long length, int flags);

  /** Returns -errno. */
  static native long refuseAddress(int fd, long address, long length, int flags);

  /** Returns -errno. */
  static native long refuseBuffer(int fd, ByteBuffer buffer, long length, int flags);

  static native long refuseLoop(int fd, long address, long length, int flags, int times);

  static native int absLoop(int value, int times);

  static native int closeLoop(int fd, int times);

  static native long recvLoop(int fd, long address, long length, int flags, int times);
}
