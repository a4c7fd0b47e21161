package dev.sluice.publish;

import dev.sluice.model.HostBinding;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.Mapping;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.PortRange;
import dev.sluice.network.UnknownTargetException;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.ruleset.AlreadyPublishedException;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.ruleset.UncertainChangeException;
import dev.sluice.ruleset.UnsupportedByKernelException;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Failures of a request, as one sentence for who asked: what is in the way, and what to do. */
final class Explanations {
  private Explanations() {}

  /** A host port has an element already; {@code published} is what the table holds. */
  static PublishException alreadyPublished(
      List<HostBinding> bindings,
      List<PublishedMapping> published,
      AlreadyPublishedException cause) {
    for (PublishedMapping one : published) {
      for (HostBinding binding : bindings) {
        if (one.mapping().key().overlaps(binding)) {
          return alreadyPublished(binding, one.mapping(), cause);
        }
      }
    }
    // Only a table without an owner can hold what this agent did not write.
    return new PublishException(
        Kind.CONFLICT,
        "one of the host ports has an element in the table "
            + SluiceTable.ID
            + " that is no mapping of this agent: remove it with nft, or choose another host port",
        cause);
  }

  /** A host port leads somewhere already. */
  static PublishException alreadyPublished(
      HostBinding binding, Mapping there, @Nullable Throwable cause) {
    return new PublishException(
        Kind.CONFLICT,
        binding
            + " is already published as "
            + there.label()
            + " ("
            + there.hostText()
            + "): unpublish that first, or choose another host port",
        cause);
  }

  /**
   * What the caller is to be told.
   *
   * @param what what was asked for, as it reads after "cannot"
   * @param published what was published before, asked for only if it matters
   */
  static RuntimeException explain(
      String what, RuntimeException e, Supplier<List<PublishedMapping>> published) {
    if (e instanceof PortTakenException taken) {
      return new PublishException(Kind.CONFLICT, takenText(taken, published), e);
    }
    if (e instanceof UnknownTargetException) {
      return new PublishException(Kind.NOT_FOUND, String.valueOf(e.getMessage()), e);
    }
    if (e instanceof InvalidMappingException || e instanceof UnsupportedByKernelException) {
      return new PublishException(Kind.INVALID, String.valueOf(e.getMessage()), e);
    }
    if (e instanceof PublishException || isDefect(e)) {
      return e;
    }
    if (e instanceof UncertainChangeException) {
      return unknown(what, e);
    }
    return new PublishException(
        Kind.UNAVAILABLE, "cannot " + what + ", nothing was changed: " + e.getMessage(), e);
  }

  /** Our own mistake, of which the log is to have the whole story. */
  private static boolean isDefect(RuntimeException e) {
    return e instanceof NullPointerException
        || e instanceof IllegalStateException
        || e instanceof IllegalArgumentException
        || e instanceof IndexOutOfBoundsException
        || e instanceof ClassCastException;
  }

  /** Nobody can tell whether the change took effect. */
  static PublishException unknown(String what, RuntimeException e) {
    return new PublishException(
        Kind.UNAVAILABLE,
        "cannot tell whether the request to "
            + what
            + " took effect, see sluice ps: "
            + e.getMessage(),
        e);
  }

  private static String takenText(
      PortTakenException taken, Supplier<List<PublishedMapping>> publishedBefore) {
    String port = taken.getMessage();
    if (taken.byUs()) {
      HostBinding one = taken.binding().withPorts(PortRange.of(taken.port()));
      for (PublishedMapping published : publishedBefore.get()) {
        Mapping mapping = published.mapping();
        if (mapping.key().overlaps(one)) {
          return port
              + ": published as "
              + mapping.label()
              + " ("
              + mapping.hostText()
              + "); unpublish that first, or choose another host port";
        }
      }
      return port + " by this very request, which asks for it twice";
    }
    return port + " by a process of this host: stop it, or choose another host port";
  }
}
