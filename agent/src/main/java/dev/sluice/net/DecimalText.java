package dev.sluice.net;

/** Reads unsigned decimal numbers: ASCII digits only, no sign, no spaces. */
final class DecimalText {
  private DecimalText() {}

  /**
   * The number in the text; -1 if the text is empty or holds anything but digits, {@code max + 1}
   * for every number above {@code max}. Takes one pass whatever the length.
   *
   * @param max at most 100,000,000
   */
  static int parse(String text, int max) {
    if (text.isEmpty()) {
      return -1;
    }
    int value = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c < '0' || c > '9') {
        return -1;
      }
      value = Math.min(value * 10 + (c - '0'), max + 1);
    }
    return value;
  }
}
