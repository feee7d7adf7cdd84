// Package tail follows a log through rotation, truncation, replacement and loss, and hands out its bytes in blocks of
// whole lines, each exactly once.
//
// # Model
//
// A log is a sequence of generations: the files that were at the log's path (its base; a glob has a base for each file
// that matches), one after the other. For each generation the Follower knows which bytes it has handed out: all before
// the offset of its cursor. Everything else follows from one question about a file: how much of it has been handed out?
// The answer (trace) comes only from the file's content, by fingerprints that were taken of what was handed out:
//
//   - of the first and last bytes, of the first and last line ends, and of bytes between, denser towards the end
//     (Marks): they identify a file that was cut, up to its end or up to the mark before that;
//   - of the last lines, each without its first word: they identify a file that was edited or anonymised.
//
// There are six answers:
//
//   - whole: it holds all that was handed out; reading continues behind that, whatever the file's name and folder;
//   - prefix: it holds only bytes that were handed out, so it has lost its end; reading continues at its new end;
//   - edited: it holds the last lines that were handed out; reading continues behind the last of them;
//   - begins: it has the same beginning, but the origin of the rest is uncertain; reading continues at its present
//     end, and a gap is reported;
//   - ambiguous: the same, but the lines are such that any file may have them;
//   - other: it is a different file.
//
// Inodes and times are hints. An inode (with its creation time) says where to look first; modification times decide
// only what is compared again.
//
// Content is not evidence if lines do not differ, as with log_format '$request_method $status', or if all are of one
// second and come again, as those of a health check under load. Evidence (beginning.isRich) is a time, an id, or many
// different lines, if what is common to both files begins and ends at two times, or if few of its lines come again.
// Otherwise the inode and the creation time must be found, or the place must be certain (placeNow): each listing of
// the folder records where the file was (Listed); a rotated part that was seen then shows how often the log has been
// rotated since, and each rotation has left one part. The file that was at the path then is the oldest of what has
// come since. A place beyond a missing number is unknown: the listing may have been made between two renames of a
// rotation. What is in doubt then is looked at again, for three seconds (isBetweenRenames). Otherwise a gap is
// reported, and nothing is counted of what may be known (isKnownByPlace). Such a log that has been emptied in place
// and filled to more than it held looks as if it had only grown. If rotated parts have come although the file is
// still at the log's path, that is suspected (suspectRefill), also of different lines of one second, or without
// times, which may come again in the same order; without a copy nothing shows it. Nor is a new file certainly a copy
// of the last one if a rotated part holds the same (isRatherIn).
//
// A new file at the path that begins as a rotated one does may be somebody's copy of it, or have new lines that are
// like the old ones. Two times, or hundreds of lines of which each comes once, show a copy. If the file was empty when
// it was first seen, and by now has less than all that the other had then, it is new: a copy would have all of it.
// Otherwise that is in doubt: reading continues at its present end, and a gap is reported (mayBeNew, isAppended).
//
// Of a file from which nothing was read only the inode and the creation time are known. If it is not found by them
// under any name in the folder, a gap is reported, unless it is certain that it was compressed (files of the last
// listing are there, so that no later one was deleted, and a later one is compressed) or that the whole folder was
// copied (these files are there, in another folder).
//
// # What belongs to the log
//
// The file at the path does. So do files that were followed, whatever their names are now. A file that came and went
// unseen is recognized only by its place: a name that rotation gives (NAME.N, NAME-YYYYMMDD[HH], the kubelet's
// NAME.YYYYMMDD-HHMMSS, each compressed or not) that, in the order of its scheme, comes after the generation read last
// (the anchor), or after the newest files of the last listing of the folder (newest), and before the present file.
// Nothing else is read: no file of a scheme that this log does not use, none that is older by its place, and none with
// the same beginning as something that was read. Where rotation gives other names, or moves files to another folder,
// an unknown file with a later name of the same kind is reported as a gap (hasLater). If the anchor is gone and the
// files of the last listing cannot be recognized, a gap is reported, and only those are read that were created in the
// order of their places, before the present file: what is rewritten, compressed or restored is younger.
//
// Beside a path that a glob has not had before are parts of what was there before the log was followed, and of what
// came and was rotated before it was seen (cameSince). Files of the second kind were created after files were last
// looked for, each before the one that followed it, and were written after that; a compressed one keeps the time at
// which it was written. What is restored, or copied, is younger than what followed it, or was written before it was
// created: that is a gap, if it was written since files were last looked for.
//
// Of files that a glob no longer has the latest are remembered, of others what they began with (Forgotten). One that
// comes back is read on from its present end, with a gap. A glob's new file that begins as one does which is gone may
// be copied back just now: it waits until it holds all of that, or has not grown for a minute (mayGrow).
//
// # Rotation
//
// Rename: another file is at the path. NGINX's workers continue to write the old file until each has reopened, so
// reading it continues for as long as it has a name and a minute longer (the last few stay open, older ones are
// examined now and then). Truncation (copytruncate) empties the file in place: what was unread is in the copy.
// Replacement (rsync, sed -i, an editor): another file is at the path, the old one is gone, and the new one is whole
// or edited.
//
// # Ownership and crashes
//
// A Follower and its Sink belong to one goroutine. Position is consistent with what the Sink has received whenever a
// method of the Follower has returned, and in Checkpoint; the caller must save it together with the counts, in one
// write. After a crash, Resume continues from any earlier Position; everything since then is read again.
//
// Several Followers may find one file under their names, one after the other. The first has it (Owners), and the others
// leave it out for as long as it is there, also after a restart: a rename changes no label. Two paths that name one
// file at the same time, as links do, both count it. When the first has ended, another goes on where it was, or, if
// that is not known, at the file's present end, with a gap. Without creation times, only open files are known to be
// another's.
//
// # Copies
//
// A new file of a glob may be a copy of what this log or another has counted, as copytruncate leaves it where its
// names end in .log. It is one if it was made when what it begins with had been counted (Cursor.Counted records when
// the first lines were), and that is more than two logs of a server may get: two times, many lines, or a line with a
// time that was counted seconds before (originalOf). As long as it holds only what was counted, nothing of it is
// handed out, however slowly it grows (Cursor.Copied), and the log of the original may find that it is its own, and
// read the rest there. What it holds beyond that is new once that log has looked again, and did not take it; where it
// is written all the time, three seconds later.
//
// A file that was made before any of these lines was counted is a log for itself (isBeside): two access_log directives
// write the same line twice, one check reaches all servers, and all logs of a server are made at one time. So is one
// that begins with few lines of one second, and nothing of it waits. Lines without times show a copy only if there are
// many. A clock that jumps back makes copies doubtful.
//
// Assumptions: the file system keeps writes in order, except that a power failure may lose the end of a file; writers
// append whole lines; and a file that is renamed to a place does not get new content before it is first seen there.
package tail
