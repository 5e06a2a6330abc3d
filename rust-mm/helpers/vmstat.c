// SPDX-License-Identifier: GPL-2.0

#include <linux/mm.h>
#include <linux/vmstat.h>

__rust_helper void rust_helper_count_vm_event(enum vm_event_item item)
{
	count_vm_event(item);
}

__rust_helper pg_data_t *rust_helper_page_pgdat(const struct page *page)
{
	return page_pgdat(page);
}
