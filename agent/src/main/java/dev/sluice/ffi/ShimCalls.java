package dev.sluice.ffi;

import jnr.ffi.provider.jffi.NoX86;
import org.jspecify.annotations.Nullable;

/**
 * The functions of native/include/sluice.h bound by jnr-ffi, spelled as C spells them. Addresses
 * and handles travel as 64-bit integers. {@link ShimLibrary} is what everybody else uses.
 *
 * <p>{@code NoX86}: for the reason, see {@link LibcCalls}.
 */
@NoX86
public interface ShimCalls {
  int sluice_abi_version();

  String sluice_version();

  String sluice_last_error();

  int sluice_layout_count();

  @Nullable String sluice_layout_name(int index);

  int sluice_layout_offset(int index);

  int sluice_layout_size(int index);

  long sluice_ring_bytes(int slots);

  int sluice_events_open(
      int fd,
      long ringAddress,
      long ringBytes,
      int latencyMicros,
      long receiveBufferBytes,
      long maxReceiveBufferBytes,
      int flags,
      long handleOutAddress);

  int sluice_ring_wait(long handle, int timeoutMillis);

  int sluice_events_stop(long handle);

  int sluice_events_close(long handle);

  int sluice_events_sync(long handle);

  int sluice_events_reliable(long handle, int on);

  int sluice_dump_open(int fd, long handleOutAddress);

  int sluice_dump_read(long handle, long recordsAddress, int records);

  int sluice_dump_malformed(long handle);

  int sluice_dump_close(long handle);

  int sluice_events_stats(long handle, long address, long bytes);

  int sluice_proxy_open(int threads, long handleOutAddress);

  int sluice_proxy_listen(
      long handle, long id, int fd, long targetsAddress, int targets, int balance, int flags);

  int sluice_proxy_retarget(
      long handle, long id, long targetsAddress, int targets, int balance, int flags);

  int sluice_proxy_remove(long handle, long id, int flags);

  int sluice_proxy_sync(long handle);

  int sluice_proxy_stats(long handle, long address, long bytes);

  int sluice_proxy_close(long handle);

  int sluice_fastpath_open(int flows, int containers, long handleOutAddress);

  int sluice_fastpath_orphan(int device, long handleOutAddress);

  int sluice_fastpath_configure(
      long handle,
      int on,
      int recheckMillis,
      int sample,
      int youngPackets,
      int asksPerSecond,
      int tcpTimeoutMillis,
      int udpTimeoutMillis);

  int sluice_fastpath_switch(long handle, int on);

  int sluice_fastpath_refresh(long handle);

  int sluice_fastpath_attach(long handle, int device, int way, int how);

  int sluice_fastpath_detach(int device);

  int sluice_fastpath_container(
      long handle, long address, int device, int bridge, int mtu, long mac, long bridgeMac);

  int sluice_fastpath_requests(long handle, long recordsAddress, int records, int timeoutMillis);

  int sluice_fastpath_flows(long handle, long recordsAddress, int records);

  int sluice_fastpath_take(long handle, long recordsAddress, int records);

  int sluice_fastpath_stats(long handle, long address, long bytes);

  int sluice_fastpath_close(long handle);
}
