package dev.sluice.netlink;

import static dev.sluice.netlink.HeaderLayout.ATTRIBUTE_HEADER_BYTES;
import static dev.sluice.netlink.HeaderLayout.HEADER_BYTES;
import static dev.sluice.netlink.HeaderLayout.align;

import java.nio.ByteBuffer;

/**
 * Turns the byte offset of an extended ACK into the path of the offending attribute: {@code
 * NFT_MSG_NEWSETELEM/NFTA_SET_ELEM_LIST_ELEMENTS/NFTA_LIST_ELEM[3]/NFTA_SET_ELEM_KEY}. The kernel
 * often sends an offset without a text, so this is all there is to go by.
 */
final class AttributePath {
  private AttributePath() {}

  /**
   * @param bytes the requests as they were sent
   * @param messageOffset where the request that failed starts
   * @param errorOffset NLMSGERR_ATTR_OFFS: bytes from the start of that request's nlmsghdr
   */
  static String resolve(
      ByteBuffer bytes, int messageOffset, int errorOffset, MessageSchema schema) {
    int length = bytes.getInt(messageOffset);
    int type = bytes.getShort(messageOffset + HeaderLayout.TYPE_OFFSET) & 0xffff;
    StringBuilder path = new StringBuilder(schema.name(type));
    int start = messageOffset + HEADER_BYTES + align(schema.headerBytes(type));
    int target = messageOffset + errorOffset;
    if (target < start || target >= messageOffset + length) {
      return path.toString();
    }
    descend(bytes, start, messageOffset + length, target, schema.attributes(type), path);
    return path.toString();
  }

  private static void descend(
      ByteBuffer bytes,
      int start,
      int end,
      int target,
      AttributeSchema schema,
      StringBuilder path) {
    AttributeCursor cursor = AttributeCursor.over(bytes, start, end - start);
    int[] seen = new int[256];
    int ordinal = -1;
    while (cursor.next()) {
      ordinal++;
      int type = cursor.type();
      int header = cursor.offset() - ATTRIBUTE_HEADER_BYTES;
      int index = seen[type & 0xff]++;
      if (target < header || target >= header + align(ATTRIBUTE_HEADER_BYTES + cursor.length())) {
        continue;
      }
      path.append('/').append(schema.name(type));
      if (schema.isList()) {
        path.append('[').append(ordinal).append(']');
      } else if (repeats(bytes, start, end, type)) {
        path.append('[').append(index).append(']');
      }
      AttributeSchema.Attribute attribute = schema.attribute(type);
      if (target > header && attribute != null && attribute.shape() == AttributeSchema.Shape.NEST) {
        AttributeSchema inside =
            schema.inside(type, AttributeCursor.over(bytes, start, end - start));
        descend(bytes, cursor.offset(), cursor.offset() + cursor.length(), target, inside, path);
      }
      return;
    }
  }

  private static boolean repeats(ByteBuffer bytes, int start, int end, int type) {
    int count = 0;
    AttributeCursor cursor = AttributeCursor.over(bytes, start, end - start);
    while (cursor.next()) {
      if (cursor.type() == type && ++count > 1) {
        return true;
      }
    }
    return false;
  }
}
