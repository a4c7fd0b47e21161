package dev.sluice.ruleset.path;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Function;

/**
 * The answers to what cannot be known beforehand, during one walk of a packet. A walk asks, and
 * goes on with what it is told; {@link #everyWalk} walks once more for every other answer.
 */
final class Choices {
  /** Walks of one packet: enough for sixteen backends behind two doubtful rules. */
  private static final int MAX_WALKS = 64;

  /** Answers to one question that are tried. */
  private static final int MAX_OPTIONS = 32;

  /**
   * A question and its answer.
   *
   * @param text what was asked, as it reads behind "depends on"
   * @param answer that this walk was told
   * @param usual the answer that is told first
   * @param options how many answers there are
   */
  record Choice(String text, int answer, int usual, int options) {
    boolean isUsual() {
      return answer == usual;
    }
  }

  private final List<Integer> told;
  private final List<Choice> asked = new ArrayList<>();

  private Choices(List<Integer> told) {
    this.told = told;
  }

  /** The answers are what is usual. */
  static Choices usual() {
    return new Choices(List.of());
  }

  /**
   * Asks.
   *
   * @param options how many answers there are, at least 1
   * @param usual the answer to begin with, 0 to {@code options - 1}
   * @param text what is asked
   */
  int choose(int options, int usual, String text) {
    int number = asked.size();
    int answer = number < told.size() ? told.get(number) : usual;
    asked.add(new Choice(text, answer, usual, Math.min(options, MAX_OPTIONS)));
    return answer;
  }

  /** Whether a condition holds that may or may not. */
  boolean holds(boolean usually, String text) {
    return choose(2, usually ? 1 : 0, text) == 1;
  }

  /** What was asked, in order. */
  List<Choice> asked() {
    return List.copyOf(asked);
  }

  /**
   * Walks with every combination of answers, as far as there are not too many; the usual ones come
   * first, and those that differ in one answer before those that differ in two.
   *
   * @param walk must ask the same way when told the same
   */
  static <T> List<T> everyWalk(Function<Choices, T> walk) {
    List<T> results = new ArrayList<>();
    Deque<List<Integer>> todo = new ArrayDeque<>();
    todo.add(List.of());
    while (!todo.isEmpty() && results.size() < MAX_WALKS) {
      List<Integer> told = todo.remove();
      Choices choices = new Choices(told);
      results.add(walk.apply(choices));
      for (int i = told.size(); i < choices.asked.size(); i++) {
        Choice choice = choices.asked.get(i);
        for (int other = 0; other < choice.options(); other++) {
          if (other != choice.answer()) {
            List<Integer> next = new ArrayList<>(told);
            for (int j = told.size(); j < i; j++) {
              next.add(choices.asked.get(j).answer());
            }
            next.add(other);
            todo.add(List.copyOf(next));
          }
        }
      }
    }
    return results;
  }
}
