package dev.sluice.model;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32;

/** Shares slots out among containers. */
final class Slots {
  private Slots() {}

  /**
   * As many slots as the weights add up to, common factors left out, each container's as far from
   * each other as can be: every container gains its weight in each step, the one that has most is
   * next and pays what all have gained.
   */
  static int[] inTurn(List<Backend> all) {
    int factor = Backends.factor(all);
    int[] weights = all.stream().mapToInt(one -> one.weight() / factor).toArray();
    int sum = Arrays.stream(weights).sum();
    int[] credit = new int[weights.length];
    int[] slots = new int[sum];
    for (int slot = 0; slot < sum; slot++) {
      int next = 0;
      for (int i = 0; i < weights.length; i++) {
        credit[i] += weights[i];
        if (credit[i] > credit[next]) {
          next = i;
        }
      }
      credit[next] -= sum;
      slots[slot] = next;
    }
    return slots;
  }

  /**
   * Slots that mostly stay where they are when a container is added or removed, whatever the order
   * in which they are named: each container has an order of its own in which it likes the slots,
   * and in turn, as often as its weight says, takes the first that is free (Eisenbud et al.,
   * "Maglev", NSDI 2016, section 3.4).
   *
   * @param count a prime
   */
  static int[] byHash(List<Backend> all, int count) {
    int factor = Backends.factor(all);
    Integer[] order = new Integer[all.size()];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, (a, b) -> all.get(a).address().compareTo(all.get(b).address()));
    int[] offset = new int[order.length];
    int[] skip = new int[order.length];
    for (int i = 0; i < order.length; i++) {
      byte[] address = all.get(order[i]).address().toBytes();
      offset[i] = (int) (hash(address, 1) % count);
      skip[i] = (int) (hash(address, 2) % (count - 1)) + 1;
    }
    int[] next = new int[order.length];
    int[] slots = new int[count];
    Arrays.fill(slots, -1);
    int taken = 0;
    while (true) {
      for (int i = 0; i < order.length; i++) {
        for (int turn = 0; turn < all.get(order[i]).weight() / factor; turn++) {
          int slot;
          do {
            slot = (int) ((offset[i] + (long) next[i]++ * skip[i]) % count);
          } while (slots[slot] >= 0);
          slots[slot] = order[i];
          if (++taken == count) {
            return slots;
          }
        }
      }
    }
  }

  private static long hash(byte[] address, int salt) {
    CRC32 crc = new CRC32();
    crc.update(ByteBuffer.allocate(address.length + 4).put(address).putInt(salt).array());
    // Addresses that differ in their last bits only are to differ everywhere.
    long mixed = crc.getValue() * 0x9e37_79b9_7f4a_7c15L;
    return (mixed ^ mixed >>> 32) >>> 1;
  }
}
