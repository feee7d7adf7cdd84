// Package tail follows a log through everything that is done to logs, and hands out its bytes in blocks of whole
// lines, each once.
//
// # Model
//
// A log is a row of generations: files that stood, one after the other, at the log's path (its base; a glob has a base
// for each file that matches). Of each generation the Follower knows which bytes have been handed out: all before the
// offset of its cursor. Everything else follows from one question, asked of any file: how much of it is that? The
// answer (trace) comes from the file's content alone, by fingerprints that were taken of what was handed out:
//
//   - of the first bytes, of the last, of the first and last line ends, and of bytes between, the denser the nearer to
//     the end (Marks): so a file that was cut is known up to its end or up to the mark before it;
//   - of the last lines, each without its first word: so a file that was edited or anonymised is known.
//
// The answer is one of five. whole: it holds all that was handed out, and reading goes on behind that, wherever and
// under whatever name the file stands. prefix: it holds nothing but what was handed out; it has lost its end, and
// reading goes on at its new end. edited: reading goes on behind the last line that was handed out. begins: it begins
// so, and where the rest comes from cannot be told; it is followed from its present end, and a gap is told. other: it
// is another file.
//
// Inodes and times are hints. An inode (with the time at which it was made) says where to look first, and stands for a
// file of which nothing was read; times of change decide nothing but what is compared again. Content proves nothing
// where lines do not differ (isRich); there an inode has to be found, or a gap is told.
//
// # What belongs to the log
//
// What stands at the path does. Of the files beside it those do that were followed, whatever their names are now. A
// file that came and went unseen can only be told by its place: a name that rotation gives (NAME.N, NAME-YYYYMMDD[HH],
// the kubelet's NAME.YYYYMMDD-HHMMSS, each compressed or not), in the order of that scheme after the generation that
// was read last (the anchor), or after the newest files that stood there when the folder was last looked at (newest),
// and before what stands at the path now. Nothing else is taken: not a file in a scheme that this log does not use,
// not one that is older by its place, and not one that begins as something that was read. Where the anchor is gone and
// what stood there before cannot be recognised, nothing is taken, and a gap is told.
//
// # Rotation
//
// Rename: another file stands at the path. NGINX's workers go on writing the old one until each has reopened, so it is
// read on: as long as its name lasts and a minute longer (the last few stay open, older ones are looked at now and
// then). Truncation (copytruncate) empties the file in place: what was not read by then is in the copy. Replacement
// (rsync, sed -i, an editor): another file stands at the path, the old one is gone, and the new one is whole or
// edited.
//
// # Ownership and crashes
//
// A Follower and its Sink belong to one goroutine. Position is consistent with what the Sink has been given whenever a
// method of the Follower has returned, and in Checkpoint; whoever keeps it must keep it together with what was
// counted, in one write. After a crash Resume goes on from any earlier Position; everything since then is read again.
//
// Assumed are a file system that keeps what was written in the order in which it was written, except that the end of a
// file may be lost with the power; writers that append whole lines; and that a file which is renamed to a place is not
// rewritten with lines of its own before it is first seen there.
package tail
