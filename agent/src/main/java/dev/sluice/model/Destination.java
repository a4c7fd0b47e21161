package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.Family;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Where ports are to lead, as people write it: to the addresses of a container, to a sandbox
 * wherever it is, or to several of them, among which connections are shared out.
 *
 * @param all what was named; several addresses of one family, or several sandboxes, are several
 *     containers
 * @param balance how connections are shared out; empty if nobody has said
 */
public record Destination(List<Aim> all, Optional<Balance> balance) {
  /** Nothing was said. */
  public static final Destination NONE = new Destination(List.of(), Optional.empty());

  /**
   * One container.
   *
   * @param address its address; empty where it is named
   * @param sandbox its name; empty where its address is given
   * @param weight its share beside others
   */
  public record Aim(Optional<IpAddress> address, Optional<SandboxName> sandbox, int weight) {
    public Aim {
      if (address.isPresent() == sandbox.isPresent()) {
        throw new IllegalArgumentException("either an address or a name: " + address + sandbox);
      }
      address = address.map(one -> one instanceof Ip6Address six ? six.unmapped() : one);
      address.ifPresent(Target::check);
      Backend.checkWeight(weight);
    }

    public static Aim at(IpAddress address) {
      return new Aim(Optional.of(address), Optional.empty(), 1);
    }

    public static Aim at(SandboxName sandbox) {
      return new Aim(Optional.empty(), Optional.of(sandbox), 1);
    }

    /**
     * Reads {@code 172.30.0.2}, {@code fd00::2}, {@code web}, each also with a weight behind it, as
     * in {@code web=3}. What is written like an address is one or a mistake, and never a name:
     * {@code 10.0.0.300} is no sandbox that is missing.
     *
     * @throws MalformedValueException if the text is none of these
     */
    public static Aim parse(String text) {
      int equals = text.indexOf('=');
      String name = equals < 0 ? text : text.substring(0, equals);
      int weight = equals < 0 ? 1 : weight(text, equals + 1);
      return isWrittenLikeAnAddress(name)
          ? new Aim(Optional.of(IpAddress.parse(name)), Optional.empty(), weight)
          : new Aim(Optional.empty(), Optional.of(new SandboxName(name)), weight);
    }

    private static int weight(String text, int at) {
      String digits = text.substring(at);
      if (!digits.matches("[1-9][0-9]?") || Integer.parseInt(digits) > Backends.MAX_WEIGHT) {
        throw new MalformedValueException(
            text,
            at,
            quote(text) + " has no weight from 1 to " + Backends.MAX_WEIGHT + " behind the =");
      }
      return Integer.parseInt(digits);
    }

    private static boolean isWrittenLikeAnAddress(String text) {
      return text.indexOf(':') >= 0
          || text.chars().allMatch(c -> (c >= '0' && c <= '9') || c == '.' || c == '/');
    }

    /** As it is read. */
    public String text() {
      String name = address.map(IpAddress::toString).or(() -> sandbox.map(SandboxName::text)).get();
      return weight == 1 ? name : name + "=" + weight;
    }
  }

  /**
   * Checks them.
   *
   * @throws InvalidMappingException if there are too many, or one is named twice
   */
  public Destination {
    all = List.copyOf(all);
    Set<Object> named = new HashSet<>();
    for (Aim aim : all) {
      Object who = aim.address().isPresent() ? aim.address().get() : aim.sandbox().get();
      if (!named.add(who)) {
        throw new InvalidMappingException(
            who + " is named twice: give it once, with a weight if it is to get more");
      }
    }
    if (all.size() > 2 * Backends.MAX) {
      throw new InvalidMappingException(
          "ports can lead to at most " + Backends.MAX + " containers, not " + all.size());
    }
  }

  /** Addresses of one container. */
  public static Destination of(List<IpAddress> addresses) {
    return new Destination(addresses.stream().map(Aim::at).toList(), Optional.empty());
  }

  /** A sandbox. */
  public static Destination of(SandboxName sandbox) {
    return new Destination(List.of(Aim.at(sandbox)), Optional.empty());
  }

  /** What a mapping leads to. */
  public static Destination of(Backends backends) {
    return new Destination(
        backends.all().stream()
            .map(
                one ->
                    new Aim(
                        one.sandbox().isPresent() ? Optional.empty() : Optional.of(one.address()),
                        one.sandbox(),
                        one.weight()))
            .toList(),
        backends.isPlain() ? Optional.empty() : Optional.of(backends.balance()));
  }

  /**
   * Reads them one by one, as {@link Aim#parse}.
   *
   * @throws MalformedValueException if a text is neither address nor name
   */
  public static Destination parse(List<String> texts) {
    return new Destination(texts.stream().map(Aim::parse).toList(), Optional.empty());
  }

  public Destination with(Optional<Balance> how) {
    return new Destination(all, how);
  }

  /** Whether no container was named. */
  public boolean isNone() {
    return all.isEmpty();
  }

  /** The addresses that were named. */
  public List<IpAddress> addresses() {
    return all.stream().flatMap(one -> one.address().stream()).toList();
  }

  /** The sandboxes that were named. */
  public List<SandboxName> sandboxes() {
    return all.stream().flatMap(one -> one.sandbox().stream()).toList();
  }

  /**
   * The containers of each family.
   *
   * @param addressesOf gives the addresses of a sandbox, at most one of each family
   * @throws InvalidMappingException if there are too many of a family, or one is there twice
   */
  public List<Backends> resolve(Function<SandboxName, List<IpAddress>> addressesOf) {
    Map<Family, List<Backend>> byFamily = new EnumMap<>(Family.class);
    for (Aim aim : all) {
      List<IpAddress> addresses =
          aim.address().map(List::of).orElseGet(() -> addressesOf.apply(aim.sandbox().get()));
      for (IpAddress address : addresses) {
        Backend one = new Backend(address, aim.sandbox(), aim.weight());
        byFamily.computeIfAbsent(one.family(), family -> new ArrayList<>(1)).add(one);
      }
    }
    return byFamily.values().stream()
        .map(some -> new Backends(some, balance.orElse(Balance.ROUND_ROBIN)))
        .toList();
  }

  /** {@code 172.30.0.2 and fd00::2}, {@code web}. */
  @Override
  public String toString() {
    return all.stream().map(Aim::text).collect(Collectors.joining(" and "));
  }
}
