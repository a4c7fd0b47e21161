package dev.sluice.nftables.text;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Register;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * A set or map in nft's words.
 *
 * @param set what it was read as
 * @param key the type of its keys
 * @param data the type of its data; empty for a set
 */
record SetText(ElementSet set, FieldTypes key, Optional<FieldTypes> data) {
  private static final String BETWEEN_ELEMENTS = ",\n\t\t\t     ";

  /** Keys as unsigned numbers, most significant byte first. */
  private static final Comparator<SetElement> BY_KEY =
      (a, b) -> Arrays.compareUnsigned(a.key().toArray(), b.key().toArray());

  /**
   * @throws InexpressibleException if its declaration would not make the same set
   */
  static SetText of(ElementSet set) throws InexpressibleException {
    if ((set.flags() & NFT_SET_OBJECT) != 0) {
      throw new InexpressibleException("a map to named objects");
    }
    Optional<FieldTypes> data =
        set.isMap() ? Optional.of(FieldTypes.ofData(set)) : Optional.empty();
    return new SetText(set, FieldTypes.ofKey(set), data);
  }

  /** How a rule refers to it. */
  String reference(List<SetElement> elements) throws InexpressibleException {
    if (!set.isAnonymous()) {
      return "@" + Words.identifier(set.name());
    }
    StringJoiner all = new StringJoiner(", ", "{ ", " }");
    for (Entry entry : entries(elements)) {
      all.add(text(entry));
    }
    return all.toString();
  }

  /** The declaration of a named set, up to its elements. */
  String declaration() throws InexpressibleException {
    StringBuilder head = new StringBuilder();
    head.append('\t').append(set.isMap() ? "map " : "set ");
    head.append(Words.identifier(set.name())).append(" {\n");
    declare(head);
    return head.toString();
  }

  /** Writes what stands between the declaration and the closing brace. */
  void writeElements(Appendable out, List<SetElement> elements) throws IOException {
    StringBuilder text = new StringBuilder();
    boolean first = true;
    List<String> missing = new ArrayList<>();
    for (Entry entry : entries(elements)) {
      text.setLength(0);
      text.append(first ? "\t\telements = { " : BETWEEN_ELEMENTS);
      try {
        text.append(text(entry));
      } catch (InexpressibleException e) {
        missing.add("element " + entry.start().key() + ": " + e.what());
        continue;
      }
      out.append(text);
      first = false;
    }
    if (!first) {
      out.append(" }\n");
    }
    for (String element : missing) {
      out.append("\t\t").append(TablePrinter.remark(element)).append('\n');
    }
  }

  private void declare(StringBuilder out) throws InexpressibleException {
    if (key.text().isEmpty() || data.filter(type -> type.text().isEmpty()).isPresent()) {
      throw new InexpressibleException("a type without a name");
    }
    out.append("\t\t").append(key.keyword()).append(' ').append(key.text());
    if (data.isPresent()) {
      out.append(" : ").append(data.get().text());
      if (!data.get().keyword().equals(key.keyword()) && !isVerdictMap()) {
        throw new InexpressibleException("a map from a " + key.keyword() + " to another way");
      }
    }
    out.append('\n');
    if (set.sizeLimit().isPresent() && (set.flags() & NFT_SET_CONSTANT) == 0) {
      out.append("\t\tsize ")
          .append(Integer.toUnsignedString(set.sizeLimit().getAsInt()))
          .append('\n');
    }
    appendFlags(out);
    if (!set.expressions().isEmpty()) {
      StringJoiner declared = new StringJoiner(" ", "\t\t", "\n");
      for (Expression expression : set.expressions()) {
        declared.add(Statements.declared(expression));
      }
      out.append(declared);
    }
    if (Userdata.find(set.userdata(), FieldTypes.MERGE_ELEMENTS)
        .filter(FieldTypes::isSet)
        .isPresent()) {
      out.append("\t\tauto-merge\n");
    }
    if (set.timeoutMillis() != 0) {
      out.append("\t\ttimeout ").append(Words.duration(set.timeoutMillis())).append('\n');
    }
    Optional<String> comment =
        Userdata.find(set.userdata(), FieldTypes.COMMENT).map(SetText::terminated);
    if (comment.isPresent()) {
      out.append("\t\tcomment ").append(Words.quoted(comment.get())).append('\n');
    }
  }

  private void appendFlags(StringBuilder out) {
    StringJoiner flags = new StringJoiner(",", "\t\tflags ", "\n").setEmptyValue("");
    if ((set.flags() & NFT_SET_CONSTANT) != 0) {
      flags.add("constant");
    }
    if ((set.flags() & NFT_SET_EVAL) != 0) {
      flags.add("dynamic");
    }
    if ((set.flags() & NFT_SET_INTERVAL) != 0) {
      flags.add("interval");
    }
    // A default timeout says it already, and nft then does not repeat it alone.
    if ((set.flags() & NFT_SET_TIMEOUT) != 0 && (set.timeoutMillis() == 0 || flags.length() > 0)) {
      flags.add("timeout");
    }
    out.append(flags);
  }

  private static String terminated(Bytes text) {
    String all = new String(text.toArray(), StandardCharsets.UTF_8);
    int end = all.indexOf(0);
    return end < 0 ? all : all.substring(0, end);
  }

  private boolean isVerdictMap() {
    return data.filter(type -> type.fields().get(0) == ValueType.VERDICT).isPresent();
  }

  // ---- elements

  /** An element and the last key it stands for; null where it stands for one key only. */
  private record Entry(SetElement start, @Nullable Bytes last) {}

  private boolean isTree() {
    return (set.flags() & NFT_SET_INTERVAL) != 0 && !key.isConcatenation();
  }

  /** The elements in the order of their keys; in a tree, starts and ends put together. */
  private List<Entry> entries(List<SetElement> elements) {
    List<SetElement> sorted = new ArrayList<>(elements);
    // Where one interval ends as the next begins, the end comes first.
    sorted.sort(BY_KEY.thenComparing(element -> !element.isIntervalEnd()));
    List<Entry> entries = new ArrayList<>(sorted.size());
    for (int i = 0; i < sorted.size(); i++) {
      SetElement start = sorted.get(i);
      if (start.isIntervalEnd()) {
        continue;
      }
      Bytes last = start.keyEnd();
      if (isTree() && !isCatchAll(start)) {
        last =
            i + 1 < sorted.size()
                ? predecessor(sorted.get(i + 1).key())
                : filled(start.key().length());
      }
      entries.add(new Entry(start, last));
    }
    return entries;
  }

  private static boolean isCatchAll(SetElement element) {
    return (element.flags() & NFT_SET_ELEM_CATCHALL) != 0;
  }

  private static Bytes filled(int length) {
    byte[] ones = new byte[length];
    Arrays.fill(ones, (byte) 0xff);
    return Bytes.of(ones);
  }

  private static Bytes predecessor(Bytes key) {
    byte[] bytes = key.toArray();
    for (int i = bytes.length - 1; i >= 0; i--) {
      if (bytes[i]-- != 0) {
        break;
      }
    }
    return Bytes.of(bytes);
  }

  private String text(Entry entry) throws InexpressibleException {
    SetElement element = entry.start();
    StringBuilder text = new StringBuilder();
    text.append(isCatchAll(element) ? "*" : keyText(element.key(), entry.last()));
    for (Expression expression : element.expressions()) {
      text.append(' ').append(Statements.perElement(expression));
    }
    if (element.timeoutMillis() != 0) {
      text.append(" timeout ").append(Words.duration(element.timeoutMillis()));
    }
    if (element.expiresMillis() != 0) {
      text.append(" expires ").append(Words.duration(element.expiresMillis()));
    }
    Optional<String> comment = Userdata.findComment(element.userdata());
    if (comment.isPresent()) {
      text.append(" comment ").append(Words.quoted(comment.get()));
    }
    if (data.isPresent()) {
      text.append(" : ").append(dataText(element, data.get()));
    }
    return text.toString();
  }

  private static String dataText(SetElement element, FieldTypes type)
      throws InexpressibleException {
    if (element.data() instanceof Data.OfVerdict verdict) {
      return Words.verdict(verdict.verdict());
    }
    if (!(element.data() instanceof Data.Value value)) {
      throw new InexpressibleException("an element without data: " + element.key());
    }
    return fieldsText(type, value.bytes(), null, false);
  }

  private String keyText(Bytes first, @Nullable Bytes last) throws InexpressibleException {
    return fieldsText(key, first, last, (set.flags() & NFT_SET_INTERVAL) != 0);
  }

  /**
   * @param last the highest value of each field; null where each is one
   * @param networkOrder whether every field is kept most significant byte first, as in a set with
   *     intervals
   */
  private static String fieldsText(
      FieldTypes type, Bytes first, @Nullable Bytes last, boolean networkOrder)
      throws InexpressibleException {
    StringBuilder text = new StringBuilder();
    int at = 0;
    for (int i = 0; i < type.fields().size(); i++) {
      ValueType field = type.fields().get(i);
      int length = type.lengthsBytes().get(i);
      if (at + length > first.length() || (last != null && at + length > last.length())) {
        throw new InexpressibleException("an element of " + first.length() + " bytes");
      }
      text.append(i == 0 ? "" : " . ");
      Bytes value = first.slice(at, length);
      Bytes low = networkOrder ? value : field.ordered(value);
      if (last == null) {
        text.append(field.text(low));
      } else {
        Bytes end = last.slice(at, length);
        text.append(range(field, low, networkOrder ? end : field.ordered(end)));
      }
      at += Register.padded(length);
    }
    return text.toString();
  }

  /** Both ends most significant byte first. */
  private static String range(ValueType type, Bytes low, Bytes high) throws InexpressibleException {
    if (low.equals(high)) {
      return type.text(low);
    }
    if (type.isName()) {
      throw new InexpressibleException("a range of names " + low + "-" + high);
    }
    BigInteger from = new BigInteger(1, low.toArray());
    BigInteger to = new BigInteger(1, high.toArray());
    int free = from.xor(to).bitLength();
    boolean isPrefix =
        type.hasPrefixes()
            && from.xor(to).bitCount() == free
            && (from.signum() == 0 || from.getLowestSetBit() >= free);
    return isPrefix
        ? type.text(low) + "/" + (low.length() * Byte.SIZE - free)
        : type.text(low) + "-" + type.text(high);
  }
}
