package dev.sluice.ruleset.path;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.netlink.MalformedMessageException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A table of the old iptables, which nf_tables does not know: entries one behind the other, as
 * IPT_SO_GET_ENTRIES returns them (linux/netfilter_ipv4/ip_tables.h,
 * linux/netfilter_ipv6/ip6_tables.h, linux/netfilter/x_tables.h). Numbers are in host byte order,
 * addresses in network byte order.
 *
 * @param name {@code filter}, {@code nat}, {@code mangle}, {@code raw} or {@code security}
 * @param family whose
 * @param hooks where the chain of a hook begins, by the hook's number
 * @param policies where its policy stands, likewise
 * @param entries by their offsets
 */
record LegacyTable(
    String name,
    Family family,
    Map<Integer, Integer> hooks,
    Map<Integer, Integer> policies,
    Map<Integer, Entry> entries) {

  /** The same numbers for both families. */
  private static final int IPT_SO_GET_INFO = 64;

  private static final int IPT_SO_GET_ENTRIES = 65;
  private static final int AF_INET = 2;
  private static final int AF_INET6 = 10;
  private static final int SOCK_RAW = 3;
  private static final int SOCK_CLOEXEC = 0x80000;
  private static final int IPPROTO_RAW = 255;
  private static final int SOL_IP = 0;
  private static final int SOL_IPV6 = 41;

  private static final int NF_INET_NUMHOOKS = 5;
  private static final int NAME_BYTES = 32;
  private static final int INTERFACE_BYTES = 16;

  /** struct ipt_getinfo: name, valid_hooks, hook_entry[5], underflow[5], num_entries, size. */
  private static final int INFO_BYTES = 84;

  private static final int VALID_HOOKS_OFFSET = 32;
  private static final int HOOK_ENTRY_OFFSET = 36;
  private static final int UNDERFLOW_OFFSET = 56;
  private static final int SIZE_OFFSET = 80;

  /** struct ipt_get_entries: name and size, then the entries, aligned to 8. */
  private static final int ENTRIES_OFFSET = 40;

  /** struct xt_entry_match and xt_entry_target: size, name of 29 bytes, revision. */
  private static final int EXTENSION_HEADER_BYTES = 32;

  private static final int EXTENSION_NAME_OFFSET = 2;
  private static final int EXTENSION_NAME_BYTES = 29;
  private static final int EXTENSION_REVISION_OFFSET = 31;

  /** A table that changes between asking for its size and for its entries is asked again. */
  private static final int ATTEMPTS = 5;

  /** Where the fields of an entry lie: struct ipt_entry, struct ip6t_entry. */
  private record Layout(
      int addressBytes,
      int interfaces,
      int protocol,
      int flags,
      int invertFlags,
      int targetOffset,
      int nextOffset,
      int elements) {
    static final Layout IP4 = new Layout(4, 16, 80, 82, 83, 88, 90, 112);
    static final Layout IP6 = new Layout(16, 64, 128, 131, 132, 140, 142, 168);

    static Layout of(Family family) {
      return family == Family.IPV4 ? IP4 : IP6;
    }
  }

  /**
   * One rule.
   *
   * @param head addresses, interfaces and protocol, as the kernel has them
   * @param matches what must hold beside them
   * @param target what happens then
   * @param verdict of the standard target, which has an empty name: below 0 a verdict, else where
   *     to go on; null for other targets
   * @param offset its own
   * @param next of the entry behind it
   */
  record Entry(
      Bytes head,
      List<XtExtension> matches,
      XtExtension target,
      @Nullable Integer verdict,
      int offset,
      int next) {
    Entry {
      matches = List.copyOf(matches);
    }
  }

  LegacyTable {
    hooks = Map.copyOf(hooks);
    policies = Map.copyOf(policies);
    entries = Map.copyOf(entries);
  }

  /** All tables in use in the calling thread's network namespace. */
  static List<LegacyTable> readAll() {
    List<LegacyTable> tables = new ArrayList<>();
    for (Family family : Family.values()) {
      for (String name : names(family)) {
        read(name, family).ifPresent(tables::add);
      }
    }
    return tables;
  }

  /** Asking for another table than one of these would make it. */
  private static List<String> names(Family family) {
    Path file =
        Path.of(
            "/proc/thread-self/net/"
                + (family == Family.IPV4 ? "ip_tables_names" : "ip6_tables_names"));
    try {
      return Files.readAllLines(file).stream()
          .map(String::strip)
          .filter(n -> !n.isEmpty())
          .toList();
    } catch (NoSuchFileException e) {
      return List.of(); // a kernel without them
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
  }

  private static Optional<LegacyTable> read(String name, Family family) {
    String what = "read the table " + name + " of the old iptables";
    int fd =
        SystemCallException.check(
            Sys.socket(
                family == Family.IPV4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW),
            what);
    try {
      int level = family == Family.IPV4 ? SOL_IP : SOL_IPV6;
      for (int i = 0; i < ATTEMPTS; i++) {
        NativeBuffer info = NativeBuffer.allocate(INFO_BYTES);
        put(info, name);
        int result = Sys.getsockopt(fd, level, IPT_SO_GET_INFO, info);
        if (result == -Errno.ENOENT) {
          return Optional.empty();
        }
        SystemCallException.check(result, what);
        int size = info.bytes().getInt(SIZE_OFFSET);
        NativeBuffer entries = NativeBuffer.allocate(ENTRIES_OFFSET + size);
        put(entries, name);
        entries.bytes().putInt(NAME_BYTES, size);
        result = Sys.getsockopt(fd, level, IPT_SO_GET_ENTRIES, entries);
        if (result == -Errno.EAGAIN) {
          continue; // it has just changed
        }
        SystemCallException.check(result, what);
        return Optional.of(
            parse(
                name,
                family,
                copy(info.bytes(), 0, INFO_BYTES),
                copy(entries.bytes(), ENTRIES_OFFSET, size)));
      }
      throw new SystemCallException(what + ", which changes all the time", Errno.EAGAIN);
    } finally {
      Sys.close(fd);
    }
  }

  private static void put(NativeBuffer buffer, String name) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < Math.min(bytes.length, NAME_BYTES - 1); i++) {
      buffer.bytes().put(i, bytes[i]);
    }
  }

  private static byte[] copy(ByteBuffer buffer, int offset, int length) {
    byte[] bytes = new byte[length];
    buffer.get(offset, bytes);
    return bytes;
  }

  // ---- parsing

  /**
   * Reads a table.
   *
   * @param infoBytes struct ipt_getinfo
   * @param entryBytes the entries
   * @throws MalformedMessageException if something reaches out of its bounds
   */
  static LegacyTable parse(String name, Family family, byte[] infoBytes, byte[] entryBytes) {
    if (infoBytes.length < INFO_BYTES) {
      throw new MalformedMessageException(
          "the head of a table of iptables has " + infoBytes.length + " bytes");
    }
    ByteBuffer info = ByteBuffer.wrap(infoBytes).order(ByteOrder.nativeOrder());
    if (info.getInt(SIZE_OFFSET) != entryBytes.length) {
      throw new MalformedMessageException(
          "a table of iptables has "
              + entryBytes.length
              + " bytes of rules and should have "
              + info.getInt(SIZE_OFFSET));
    }
    ByteBuffer all = ByteBuffer.wrap(entryBytes).order(ByteOrder.nativeOrder());
    Map<Integer, Entry> entries = new HashMap<>();
    int at = 0;
    while (at < entryBytes.length) {
      Entry entry = entry(all, at, family);
      entries.put(at, entry);
      at = entry.next();
    }
    Map<Integer, Integer> hooks = new HashMap<>();
    Map<Integer, Integer> policies = new HashMap<>();
    int valid = info.getInt(VALID_HOOKS_OFFSET);
    for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
      if ((valid & (1 << hook)) == 0) {
        continue;
      }
      int first = info.getInt(HOOK_ENTRY_OFFSET + Integer.BYTES * hook);
      int policy = info.getInt(UNDERFLOW_OFFSET + Integer.BYTES * hook);
      if (!entries.containsKey(first) || !entries.containsKey(policy)) {
        throw new MalformedMessageException(
            "the chain of hook " + hook + " of iptables begins at no rule");
      }
      hooks.put(hook, first);
      policies.put(hook, policy);
    }
    return new LegacyTable(name, family, hooks, policies, entries);
  }

  private static Entry entry(ByteBuffer all, int at, Family family) {
    Layout layout = Layout.of(family);
    if (all.capacity() - at < layout.elements()) {
      throw outOfBounds(at);
    }
    int target = all.getShort(at + layout.targetOffset()) & 0xffff;
    int next = all.getShort(at + layout.nextOffset()) & 0xffff;
    if (target < layout.elements()
        || next < target + EXTENSION_HEADER_BYTES
        || next > all.capacity() - at) {
      throw outOfBounds(at);
    }
    List<XtExtension> matches = new ArrayList<>();
    int match = at + layout.elements();
    while (match < at + target) {
      int size = size(all, match, at + target);
      matches.add(extension(all, match, size, family, false));
      match += size;
    }
    int size = size(all, at + target, at + next);
    XtExtension action = extension(all, at + target, size, family, true);
    Integer verdict = null;
    if (action.name().isEmpty()) {
      if (size < EXTENSION_HEADER_BYTES + Integer.BYTES) {
        throw outOfBounds(at);
      }
      verdict = all.getInt(at + target + EXTENSION_HEADER_BYTES);
    }
    return new Entry(
        Bytes.of(copy(all, at, layout.elements())), matches, action, verdict, at, at + next);
  }

  private static int size(ByteBuffer all, int at, int end) {
    if (end - at < EXTENSION_HEADER_BYTES) {
      throw outOfBounds(at);
    }
    int size = all.getShort(at) & 0xffff;
    if (size < EXTENSION_HEADER_BYTES || size > end - at) {
      throw outOfBounds(at);
    }
    return size;
  }

  private static XtExtension extension(
      ByteBuffer all, int at, int size, Family family, boolean isTarget) {
    byte[] name = copy(all, at + EXTENSION_NAME_OFFSET, EXTENSION_NAME_BYTES);
    return new XtExtension(
        isTarget,
        text(name),
        all.get(at + EXTENSION_REVISION_OFFSET) & 0xff,
        family,
        Bytes.of(copy(all, at + EXTENSION_HEADER_BYTES, size - EXTENSION_HEADER_BYTES)));
  }

  private static String text(byte[] padded) {
    int end = 0;
    while (end < padded.length && padded[end] != 0) {
      end++;
    }
    return new String(padded, 0, end, StandardCharsets.UTF_8);
  }

  private static MalformedMessageException outOfBounds(int at) {
    return new MalformedMessageException("the rule of iptables at " + at + " is out of bounds");
  }

  // ---- what an entry asks

  private static int layoutOffset(Family family, boolean destination, boolean mask) {
    int bytes = Layout.of(family).addressBytes();
    return (destination ? bytes : 0) + (mask ? 2 * bytes : 0);
  }

  /** The address and its mask. */
  Bytes block(Entry entry, boolean destination, boolean mask) {
    return entry.head().slice(layoutOffset(family, destination, mask), family.bytes());
  }

  /** The bytes of an interface's name that count. */
  Bytes interfaceName(Entry entry, boolean out) {
    int offset = Layout.of(family).interfaces() + (out ? INTERFACE_BYTES : 0);
    Bytes name = entry.head().slice(offset, INTERFACE_BYTES);
    Bytes mask = entry.head().slice(offset + 2 * INTERFACE_BYTES, INTERFACE_BYTES);
    int length = 0;
    while (length < INTERFACE_BYTES && mask.u8(length) != 0) {
      length++;
    }
    return name.slice(0, length);
  }

  /** 0 for every protocol. */
  int protocol(Entry entry) {
    byte[] two = entry.head().slice(Layout.of(family).protocol(), 2).toArray();
    return ByteBuffer.wrap(two).order(ByteOrder.nativeOrder()).getShort() & 0xffff;
  }

  int flags(Entry entry) {
    return entry.head().u8(Layout.of(family).flags());
  }

  int inverted(Entry entry) {
    return entry.head().u8(Layout.of(family).invertFlags());
  }

  /** The name of the chain that begins at an offset: of the mark in front of it, or of a hook. */
  String chainAt(int offset) {
    for (Map.Entry<Integer, Integer> hook : hooks.entrySet()) {
      if (hook.getValue() == offset) {
        return LegacyChain.HOOK_NAMES.get(hook.getKey());
      }
    }
    for (Entry entry : entries.values()) {
      if (entry.next() == offset && entry.target().name().equals("ERROR")) {
        return text(entry.target().info().toArray());
      }
    }
    return "at " + offset;
  }
}
