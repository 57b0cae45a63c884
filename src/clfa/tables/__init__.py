"""Tables of posts: files to rows."""
