package dev.sluice.nftables.text;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.nftables.expr.Verdict;
import java.util.List;
import java.util.regex.Pattern;

/** The smallest parts of nft's language (nftables, src/scanner.l). */
final class Words {
  /** {@code string} of the scanner. */
  private static final Pattern IDENTIFIER = Pattern.compile("[A-Za-z][A-Za-z0-9/\\\\_.]*");

  private static final long KILO = 1024;
  private static final long SECOND = 1_000;
  private static final long MINUTE = 60 * SECOND;
  private static final long HOUR = 60 * MINUTE;
  private static final long DAY = 24 * HOUR;

  private Words() {}

  /** The name of a table, chain or set. The kernel takes any bytes for one, the language not. */
  static String identifier(String name) throws InexpressibleException {
    if (!IDENTIFIER.matcher(name).matches()) {
      throw new InexpressibleException("the name \"" + name + "\"");
    }
    return name;
  }

  /** A string in quotes. The language cannot escape anything inside them. */
  static String quoted(String text) throws InexpressibleException {
    if (text.chars().anyMatch(c -> c == '"' || Character.isISOControl(c))) {
      throw new InexpressibleException("the string \"" + text + "\"");
    }
    return "\"" + text + "\"";
  }

  /** The text without line breaks and other control characters, for a comment of one line. */
  static String line(String text) {
    StringBuilder line = new StringBuilder(text.length());
    text.codePoints()
        .map(c -> Character.isISOControl(c) || c == 0x2028 || c == 0x2029 ? '?' : c)
        .forEach(line::appendCodePoint);
    return line.toString();
  }

  /** {@code 1d2h3m4s5ms}; what is zero is left out. */
  static String duration(long millis) {
    StringBuilder text = new StringBuilder();
    long rest = unit(text, millis, DAY, "d");
    rest = unit(text, rest, HOUR, "h");
    rest = unit(text, rest, MINUTE, "m");
    rest = unit(text, rest, SECOND, "s");
    unit(text, rest, 1, "ms");
    return text.length() == 0 ? "0s" : text.toString();
  }

  private static long unit(StringBuilder text, long millis, long unit, String name) {
    long count = Long.divideUnsigned(millis, unit);
    if (count != 0) {
      text.append(Long.toUnsignedString(count)).append(name);
    }
    return Long.remainderUnsigned(millis, unit);
  }

  /** A number of bytes in the largest unit that divides it: {@code 25 mbytes}. */
  static String bytes(long count) {
    long number = count;
    List<String> units = List.of(" bytes", " kbytes", " mbytes");
    int unit = 0;
    while (unit < units.size() - 1 && number != 0 && Long.remainderUnsigned(number, KILO) == 0) {
      number = Long.divideUnsigned(number, KILO);
      unit++;
    }
    return Long.toUnsignedString(number) + units.get(unit);
  }

  static String verdict(Verdict verdict) throws InexpressibleException {
    String chain = verdict.chain();
    return switch (verdict.code()) {
      case NF_ACCEPT -> "accept";
      case NF_DROP -> "drop";
      case NFT_CONTINUE -> "continue";
      case NFT_RETURN -> "return";
      case NFT_JUMP -> "jump " + identifier(chain == null ? "" : chain);
      case NFT_GOTO -> "goto " + identifier(chain == null ? "" : chain);
      default -> throw new InexpressibleException(verdict);
    };
  }
}
