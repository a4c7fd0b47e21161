package dev.sluice.ruleset;

import dev.sluice.nftables.RulesetEvent;
import dev.sluice.nftables.RulesetEvent.Kind;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.TableId;
import dev.sluice.ruleset.TableImage.ElementKey;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** What others did to the table since it was last in order, as far as a repair has to know. */
final class Damage {
  /** How much of the table a repair must look at. */
  enum Extent {
    NONE,
    /** Elements and rules that are known one by one. */
    PARTS,
    /** Events were lost: anything may have happened, or nothing. */
    UNKNOWN,
    /** Tables, chains or sets: everything is written anew. */
    WHOLE
  }

  private final TableId table;
  private Extent extent = Extent.NONE;
  // Set name to key to what is there now.
  private final Map<String, Map<ElementKey, Optional<SetElement>>> elements = new LinkedHashMap<>();
  // What was there before, for its counter.
  private final Map<String, Map<ElementKey, SetElement>> deleted = new LinkedHashMap<>();
  private final Set<String> chains = new TreeSet<>();
  private boolean tableDeleted;
  private boolean inTransaction;
  private String culprit = "another process";

  Damage(TableId table) {
    this.table = table;
  }

  /** Takes note of an event that somebody else caused. */
  void note(RulesetEvent event, TableImage image) {
    if (event instanceof RulesetEvent.Committed by) {
      if (inTransaction) {
        culprit = by.processName() + " (process " + by.processId() + ")";
        inTransaction = false;
      }
    } else if (event instanceof RulesetEvent.Lost) {
      atLeast(Extent.UNKNOWN);
    } else if (event instanceof RulesetEvent.OfTable of && of.table().id().equals(table)) {
      tableDeleted = of.kind() == Kind.DELETED;
      whole();
    } else if (event instanceof RulesetEvent.OfChain of && of.chain().table().equals(table)) {
      whole();
    } else if (event instanceof RulesetEvent.OfSet of && of.set().table().equals(table)) {
      // An anonymous set comes and goes with its rule.
      if (!TableImage.isAnonymous(of.set().name())) {
        whole();
      }
    } else if (event instanceof RulesetEvent.OfRule of && of.rule().table().equals(table)) {
      inTransaction = true;
      chains.add(of.rule().chain());
      atLeast(image.hasChain(of.rule().chain()) ? Extent.PARTS : Extent.WHOLE);
    } else if (event instanceof RulesetEvent.OfElements of
        && of.table().equals(table)
        && !TableImage.isAnonymous(of.set())) {
      inTransaction = true;
      atLeast(image.hasSet(of.set()) ? Extent.PARTS : Extent.WHOLE);
      of.elements().forEach(element -> note(of.kind(), of.set(), element));
    }
  }

  private void note(Kind kind, String set, SetElement element) {
    ElementKey key = ElementKey.of(element);
    boolean isThere = kind == Kind.ADDED;
    elements
        .computeIfAbsent(set, name -> new LinkedHashMap<>())
        .put(key, isThere ? Optional.of(element) : Optional.empty());
    if (!isThere) {
      deleted.computeIfAbsent(set, name -> new LinkedHashMap<>()).putIfAbsent(key, element);
    }
  }

  /** Takes note of an element that is there, or is not, and should not, or should, be. */
  void found(String set, ElementKey key, Optional<SetElement> actual) {
    elements.computeIfAbsent(set, name -> new LinkedHashMap<>()).put(key, actual);
  }

  private void whole() {
    inTransaction = true;
    atLeast(Extent.WHOLE);
  }

  private void atLeast(Extent wider) {
    if (wider.compareTo(extent) > 0) {
      extent = wider;
    }
  }

  /** Looking closer has told how much it is. */
  void is(Extent known) {
    extent = known;
  }

  Extent extent() {
    return extent;
  }

  /** Whether the transaction that did the latest damage has more events to come. */
  boolean isIncomplete() {
    return inTransaction;
  }

  Map<String, Map<ElementKey, Optional<SetElement>>> elements() {
    return elements;
  }

  /** The element as it was when it was deleted. */
  Optional<SetElement> deleted(String set, ElementKey key) {
    return Optional.ofNullable(deleted.getOrDefault(set, Map.of()).get(key));
  }

  Set<String> chains() {
    return chains;
  }

  String culprit() {
    return culprit;
  }

  /** What was done, as it reads behind the name of who did it. */
  @Override
  public String toString() {
    if (tableDeleted) {
      return "deleted the table";
    }
    return switch (extent) {
      case NONE -> "changed nothing";
      case UNKNOWN -> "made more changes than could be followed";
      case WHOLE -> "changed the table's chains or sets";
      case PARTS -> {
        int count = elements.values().stream().mapToInt(Map::size).sum();
        String ofElements = count == 1 ? "1 element" : count + " elements";
        yield chains.isEmpty()
            ? "changed " + ofElements
            : "changed the rules of "
                + String.join(", ", chains)
                + (count == 0 ? "" : " and " + ofElements);
      }
    };
  }
}
