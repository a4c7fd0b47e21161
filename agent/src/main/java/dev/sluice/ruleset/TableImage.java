package dev.sluice.ruleset;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Operation;
import dev.sluice.nftables.RulesetEvent;
import dev.sluice.nftables.RulesetEvent.Kind;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.uapi.LinuxNfTables;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the transactions of this agent add up to: the table as it would be if nobody else had
 * touched it. Kept for a plain table only, and only for writing back what somebody else took away;
 * what is published is what the kernel says.
 *
 * <p>It follows the operations of transactions that the kernel has carried out, so it knows nothing
 * of what elements and rules mean.
 */
final class TableImage {
  /** What makes an element of a set the same one. */
  record ElementKey(Bytes key, @Nullable Bytes keyEnd, boolean isIntervalEnd) {
    static ElementKey of(SetElement element) {
      return new ElementKey(element.key(), element.keyEnd(), element.isIntervalEnd());
    }
  }

  /** Above all ids of anonymous sets, which only the rules of one transaction, the first, have. */
  private static final int FIRST_SET_ID = 1_000_000;

  private final TableId id;
  private @Nullable Operation table;
  private final Map<String, Operation> sets = new LinkedHashMap<>();
  private final Map<String, Operation> chains = new LinkedHashMap<>();
  // Each rule behind the anonymous sets it refers to and their elements.
  private final Map<String, List<Operation>> rules = new HashMap<>();
  private final Map<String, Map<ElementKey, SetElement>> elements = new HashMap<>();
  private final List<Operation> anonymous = new ArrayList<>();

  TableImage(TableId id) {
    this.id = id;
  }

  /**
   * Takes over what a transaction did.
   *
   * @return whether it changed more than elements
   */
  boolean follow(List<Operation> transaction) {
    boolean structural = false;
    for (Operation operation : transaction) {
      structural |= !(operation.effect() instanceof RulesetEvent.OfElements);
      follow(operation);
    }
    return structural;
  }

  private void follow(Operation operation) {
    RulesetEvent effect = operation.effect();
    if (effect instanceof RulesetEvent.OfTable of) {
      if (of.kind() == Kind.DELETED) {
        clear();
      } else {
        table = operation;
      }
    } else if (effect instanceof RulesetEvent.OfSet of) {
      followSet(of, operation);
    } else if (effect instanceof RulesetEvent.OfChain of) {
      if (of.kind() == Kind.DELETED) {
        chains.remove(of.chain().name());
        rules.remove(of.chain().name());
      } else {
        chains.putIfAbsent(of.chain().name(), operation);
      }
    } else if (effect instanceof RulesetEvent.OfRule of) {
      followRule(of, operation);
    } else if (effect instanceof RulesetEvent.OfElements of) {
      if (isAnonymous(of.set())) {
        anonymous.add(operation);
      } else {
        followElements(of);
      }
    } else {
      throw new IllegalArgumentException("an operation without a place in the image: " + effect);
    }
  }

  private void followSet(RulesetEvent.OfSet of, Operation operation) {
    String name = of.set().name();
    if (of.kind() == Kind.DELETED) {
      sets.remove(name);
      elements.remove(name);
    } else if (isAnonymous(name)) {
      anonymous.add(operation);
    } else {
      sets.putIfAbsent(name, operation);
    }
  }

  private void followRule(RulesetEvent.OfRule of, Operation operation) {
    List<Operation> ofChain = rules.computeIfAbsent(of.rule().chain(), chain -> new ArrayList<>());
    if (of.kind() == Kind.ADDED) {
      ofChain.addAll(anonymous);
      ofChain.add(operation);
      anonymous.clear();
    } else if (of.rule().handle() == 0) {
      ofChain.clear();
    } else {
      // Handles are the kernel's; the agent rewrites a chain as a whole.
      throw new IllegalArgumentException("a rule deleted by its handle: " + of.rule());
    }
  }

  private void followElements(RulesetEvent.OfElements of) {
    Map<ElementKey, SetElement> ofSet =
        elements.computeIfAbsent(of.set(), set -> new LinkedHashMap<>());
    if (of.kind() == Kind.ADDED) {
      of.elements().forEach(element -> ofSet.putIfAbsent(ElementKey.of(element), element));
    } else if (of.elements().isEmpty()) {
      ofSet.clear();
    } else {
      of.elements().forEach(element -> ofSet.remove(ElementKey.of(element)));
    }
  }

  private void clear() {
    table = null;
    sets.clear();
    chains.clear();
    rules.clear();
    elements.clear();
  }

  /** The kernel's name of an anonymous set is a number, in a batch it is a pattern. */
  static boolean isAnonymous(String set) {
    return set.startsWith("__set") || set.startsWith("__map");
  }

  // ---- asking

  boolean hasChain(String chain) {
    return chains.containsKey(chain);
  }

  boolean hasSet(String set) {
    return sets.containsKey(set);
  }

  Set<String> setNames() {
    return sets.keySet();
  }

  Set<String> chainNames() {
    return chains.keySet();
  }

  /** Whether packets add to the set, so that its elements are nobody's transaction. */
  boolean isDynamic(String set) {
    return set(set).map(known -> (known.flags() & LinuxNfTables.NFT_SET_EVAL) != 0).orElse(false);
  }

  private Optional<ElementSet> set(String name) {
    return Optional.ofNullable(sets.get(name))
        .map(operation -> ((RulesetEvent.OfSet) operation.effect()).set());
  }

  Optional<SetElement> element(String set, ElementKey key) {
    return Optional.ofNullable(elements.getOrDefault(set, Map.of()).get(key));
  }

  Collection<SetElement> elements(String set) {
    return elements.getOrDefault(set, Map.of()).values();
  }

  int elementCount() {
    return elements.values().stream().mapToInt(Map::size).sum();
  }

  /** Names of the sets that hold elements with counters. */
  List<String> countedSets() {
    return sets.keySet().stream()
        .filter(name -> !elements(name).isEmpty() && countsItself(name))
        .toList();
  }

  /** Whether the kernel gives each element of the set a counter of its own. */
  private boolean countsItself(String name) {
    return set(name)
        .map(known -> known.expressions().stream().anyMatch(Counter.class::isInstance))
        .orElse(false);
  }

  // ---- what only the kernel knows

  /** Replaces the elements of a set by those that were read from the kernel. */
  void read(String set, List<SetElement> found) {
    Map<ElementKey, SetElement> ofSet = new LinkedHashMap<>();
    found.forEach(element -> ofSet.put(ElementKey.of(element), element));
    elements.put(set, ofSet);
  }

  /** Takes over the counters of elements that were read from the kernel. */
  void count(String set, List<SetElement> found) {
    Map<ElementKey, SetElement> ofSet = elements.getOrDefault(set, Map.of());
    for (SetElement element : found) {
      element
          .counter()
          .ifPresent(
              counter ->
                  ofSet.computeIfPresent(
                      ElementKey.of(element), (key, known) -> known.with(counter)));
    }
  }

  // ---- writing it back

  /** Replaces the table, or creates it, with everything in it. */
  void writeAll(Batch batch) {
    Operation own = table;
    if (own == null) {
      throw new IllegalStateException("the image of the table " + id + " has no table");
    }
    // Added first so that deleting succeeds whether or not somebody has deleted it already.
    batch.add(Table.of(id)).delete(id).add(own);
    // Ids are numbered anew: two transactions may have used the same for sets of theirs.
    int setId = FIRST_SET_ID;
    for (Operation of : sets.values()) {
      batch.add(((RulesetEvent.OfSet) of.effect()).set().withTransactionId(setId++));
    }
    chains.values().forEach(batch::add);
    chains.keySet().forEach(chain -> rules.getOrDefault(chain, List.of()).forEach(batch::add));
    for (Map.Entry<String, Map<ElementKey, SetElement>> ofSet : elements.entrySet()) {
      writeElements(batch, ofSet.getKey(), List.copyOf(ofSet.getValue().values()));
    }
  }

  /** Replaces the rules of a chain that is there. */
  void writeRules(Batch batch, String chain) {
    batch.flushChain(id, chain);
    rules.getOrDefault(chain, List.of()).forEach(batch::add);
  }

  /** Creates elements of a set. */
  void writeElements(Batch batch, String set, List<SetElement> missing) {
    boolean counted = countsItself(set);
    batch.createElements(
        id, set, counted ? missing.stream().map(TableImage::withoutZero).toList() : missing);
  }

  /** Sending a counter takes the kernel three times as long as making one. */
  private static SetElement withoutZero(SetElement element) {
    return element.counter().filter(counter -> counter.packets() == 0).isPresent()
        ? element.with()
        : element;
  }
}
