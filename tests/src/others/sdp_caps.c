/* Reads a session description; prints the port of its first media, and the caps that GStreamer makes of it. */

#include <stdio.h>
#include <stdlib.h>

/* gst.h and gstsdpmessage.h, without the packages for development. */
void gst_init(int *, char ***);
int gst_sdp_message_new(void **);
int gst_sdp_message_parse_buffer(const unsigned char *, unsigned, void *);
const void *gst_sdp_message_get_media(const void *, unsigned);
const char *gst_sdp_media_get_format(const void *, unsigned);
unsigned gst_sdp_media_get_port(const void *);
void *gst_sdp_media_get_caps_from_media(const void *, int);
char *gst_caps_to_string(const void *);

int main(void)
{
	static unsigned char text[65536];
	size_t bytes = fread(text, 1, sizeof text, stdin);
	void *message = NULL;
	const void *media;
	const char *format;
	void *caps;

	gst_init(NULL, NULL);
	gst_sdp_message_new(&message);
	if (gst_sdp_message_parse_buffer(text, bytes, message) != 0)
		return 2;
	media = gst_sdp_message_get_media(message, 0);
	format = media ? gst_sdp_media_get_format(media, 0) : NULL;
	if (!format)
		return 3;
	caps = gst_sdp_media_get_caps_from_media(media, atoi(format));
	if (!caps)
		return 4;
	printf("%u\n%s\n", gst_sdp_media_get_port(media), gst_caps_to_string(caps));
	return 0;
}
