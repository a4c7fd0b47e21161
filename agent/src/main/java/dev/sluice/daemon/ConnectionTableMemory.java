package dev.sluice.daemon;

import dev.sluice.flow.TableGrowth;
import dev.sluice.sysctl.Sysctl;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Raises the limit of the table of connections within an amount of memory (sluice agent
 * --conntrack-memory): the limit is doubled when the table gets full, and the hash table behind it
 * grows alike. The limit is one number for all network namespaces, and only the initial one may set
 * it. Thread-safe.
 */
final class ConnectionTableMemory implements TableGrowth {
  static final String LIMIT = "net/netfilter/nf_conntrack_max";
  static final String BUCKETS = "net/netfilter/nf_conntrack_buckets";

  /** One line for each kind of object of the kernel; slabinfo(5). */
  private static final Path SLABINFO = Path.of("/proc/slabinfo");

  /** sizeof(struct nf_conn) of x86_64 without debugging, where slabinfo cannot be read. */
  private static final long USUAL_ENTRY_BYTES = 256;

  /**
   * Beside each entry there is one object of its extensions: translation, counters, times, events
   * (struct nf_ct_ext), rounded up to a size of the kernel's allocator.
   */
  private static final long EXTENSIONS_BYTES = 128;

  /** struct hlist_nulls_head; a bucket for each entry. */
  private static final long BUCKET_BYTES = 8;

  private final Sysctl sysctl;
  private final int mebibytes;
  private final long mostEntries;

  /** Why the limit cannot be raised; empty string if it can. */
  private String refusal = "";

  ConnectionTableMemory(Sysctl sysctl, int mebibytes) {
    this(sysctl, SLABINFO, mebibytes);
  }

  ConnectionTableMemory(Sysctl sysctl, Path slabinfo, int mebibytes) {
    this.sysctl = sysctl;
    this.mebibytes = mebibytes;
    this.mostEntries =
        Math.min(
            Integer.MAX_VALUE,
            ((long) mebibytes << 20) / (entryBytes(slabinfo) + EXTENSIONS_BYTES + BUCKET_BYTES));
    if (mebibytes > 0 && !sysctl.isWritable(LIMIT)) {
      refusal =
          "net.netfilter.nf_conntrack_max is read-only here, as in every network namespace but the"
              + " initial one";
    }
  }

  private static long entryBytes(Path slabinfo) {
    try {
      for (String line : Files.readAllLines(slabinfo)) {
        String[] columns = line.split("\\s+", 5);
        if (columns[0].equals("nf_conntrack") && columns.length == 5) {
          return Long.parseLong(columns[3]);
        }
      }
    } catch (IOException e) {
      // Only root may read it, and not every kernel has it.
      return USUAL_ENTRY_BYTES;
    }
    return USUAL_ENTRY_BYTES;
  }

  /** How many entries the memory is enough for; 0 if the limit is to be left alone. */
  long mostEntries() {
    return mostEntries;
  }

  /** One sentence: why the limit that is to be raised cannot be; empty if it can, or need not. */
  synchronized Optional<String> problem() {
    return refusal.isEmpty()
        ? Optional.empty()
        : Optional.of("--conntrack-memory has no effect: " + refusal);
  }

  @Override
  public synchronized Optional<String> grow(long limit) {
    long wanted = Math.min(limit * 2, mostEntries);
    if (!refusal.isEmpty() || wanted <= limit) {
      return Optional.empty();
    }
    try {
      sysctl.set(LIMIT, Long.toString(wanted));
    } catch (UncheckedIOException e) {
      refusal = String.valueOf(e.getMessage());
      return Optional.empty();
    }
    @Nullable String slower = growBuckets(wanted);
    return Optional.of(
        "the connection table was nearly full: it can hold "
            + wanted
            + " connections now, it was "
            + limit
            + "; up to "
            + mostEntries
            + " fit into the "
            + mebibytes
            + " MiB of --conntrack-memory"
            + (slower == null ? "" : "; but it gets slower: " + slower));
  }

  /** Entries in longer chains are found later, so that this may fail. */
  private @Nullable String growBuckets(long wanted) {
    try {
      if (sysctl.get(BUCKETS).map(Long::parseLong).orElse(Long.MAX_VALUE) < wanted) {
        sysctl.set(BUCKETS, Long.toString(wanted));
      }
      return null;
    } catch (UncheckedIOException e) {
      return e.getMessage();
    }
  }

  @Override
  public synchronized String advice() {
    if (!refusal.isEmpty()) {
      return "raise net.netfilter.nf_conntrack_max on the host ("
          + refusal
          + ", so that the agent cannot)";
    }
    return mebibytes == 0
        ? "raise net.netfilter.nf_conntrack_max, or let the agent do it with --conntrack-memory"
        : "raise net.netfilter.nf_conntrack_max, or give the agent more than --conntrack-memory "
            + mebibytes;
  }

  /** Whether the limit will be raised, for {@code sluice doctor}. */
  synchronized String outlook() {
    if (!refusal.isEmpty()) {
      return "the agent cannot raise the limit: " + refusal;
    }
    return mebibytes == 0
        ? "the agent leaves the limit alone (--conntrack-memory changes that)"
        : "the agent raises the limit when needed, up to "
            + mostEntries
            + " (--conntrack-memory "
            + mebibytes
            + ")";
  }
}
