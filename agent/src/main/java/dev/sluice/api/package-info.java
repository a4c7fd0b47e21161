/** HTTP/JSON on a unix socket: the server, its client, who may do what, and event streaming. */
@NullMarked
package dev.sluice.api;

import org.jspecify.annotations.NullMarked;
